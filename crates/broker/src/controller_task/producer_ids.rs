//! The local broker's producer ids: single ids out of a block (KIP-730).

use controller::{ApiError, Controller, Outcome, ProducerIdsBlock};
use protocol::{AllocateProducerIdsRequest, ErrorCode};
use tokio::sync::oneshot;

use super::ControllerError;
use super::decision::{Context, Decide, Decision, ProducerIdSender};
use super::task::ControllerTask;

/// What is left of the newest block.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    next: i64,
    end: i64,
}

impl ProducerIds {
    fn take(&mut self) -> Option<i64> {
        let id = (self.next < self.end).then_some(self.next)?;
        self.next += 1;
        Some(id)
    }

    fn refill(&mut self, block: ProducerIdsBlock) {
        self.next = block.first;
        self.end = block.first.saturating_add(i64::from(block.size));
    }
}

impl ControllerTask {
    /// Gives each asker an id, with a new block when the old one is used up. What is left of a block when the process
    /// ends is never handed out.
    pub(super) async fn give_producer_ids(
        &mut self,
        askers: Vec<ProducerIdSender>,
    ) -> Result<(), ControllerError> {
        for asker in askers {
            let id = match self.producer_ids.take() {
                Some(id) => Ok(id),
                None => match self.allocate_block().await? {
                    Ok(block) => {
                        self.producer_ids.refill(block);
                        self.producer_ids.take().ok_or(ErrorCode::UNKNOWN_SERVER_ERROR.into())
                    }
                    Err(error) => Err(error),
                },
            };
            _ = asker.send(id);
        }
        Ok(())
    }

    async fn allocate_block(&mut self) -> Result<Result<ProducerIdsBlock, ApiError>, ControllerError> {
        let (sender, block) = oneshot::channel();
        let broker_id = self.controller_config.node_id;
        let decide: Decide = Box::new(move |controller: &Controller, _: &Context<'_>| {
            let broker_epoch =
                controller.image().cluster().broker(broker_id).map_or(-1, |broker| broker.epoch);
            let request = AllocateProducerIdsRequest { broker_id, broker_epoch };
            let outcome = controller.handle_allocate_producer_ids(&request).map(|outcome| Outcome {
                records: outcome.records,
                is_atomic: outcome.is_atomic,
                response: ProducerIdsBlock {
                    first: outcome.response.producer_id_start,
                    size: outcome.response.producer_id_len,
                },
            });
            Decision::new(outcome, sender)
        });
        self.turn(vec![decide]).await?;
        Ok(block.await.unwrap_or(Err(ErrorCode::NOT_CONTROLLER.into())))
    }
}
