//! hub-agent/core
