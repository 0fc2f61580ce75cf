//! cloud-stub
