//! What only the inside can do: stop after each single change of the disk.

#![allow(clippy::print_stdout, reason = "tests print their counts")]

mod cuts;
