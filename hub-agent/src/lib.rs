//! hub-agent
