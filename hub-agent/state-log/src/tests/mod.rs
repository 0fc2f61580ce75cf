//! What only the inside can do: stop after each single change of the disk.

mod cuts;
