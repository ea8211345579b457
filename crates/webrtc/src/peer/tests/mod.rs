//! Two peers over a simulated network.

mod hostile;
mod media_flow;
mod negotiation;
pub(crate) mod pair;
