//! Updates of the product's software: what the hub does with releases that the verifier vouches for.

mod campaigns;
mod jobs;
mod own;
mod people;
mod reports;
mod views;
