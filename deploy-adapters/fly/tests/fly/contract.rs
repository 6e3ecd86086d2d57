//! The fly target keeps the contract of executors.

use crate::lab::Lab;

deploy_core::executor_contract!(Lab::new().await);
