//! Small programs that embed the engine.
