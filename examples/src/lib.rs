//! One runnable program per thing that a user wants to do.
