//! The hub's links: what comes from components, from those who enrol, and the line to the cloud.

pub mod cloud;
pub mod components;
pub mod enrolment;
mod shipping;
