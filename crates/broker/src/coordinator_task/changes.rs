//! The news of metadata for the task. Telling it never waits.

use group_coordinator::DeletedTopic;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What has changed since the task last looked.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Bounded by the number of topics there were.
    deleted: Mutex<Vec<DeletedTopic>>,
    notify: Notify,
}

impl Changes {
    /// Tells the task to look at the leaderships again, and which topics are gone.
    pub fn tell(&self, deleted: Vec<DeletedTopic>) {
        if !deleted.is_empty() {
            self.deleted.lock().extend(deleted);
        }
        self.notify.notify_one();
    }

    /// Waits for news.
    pub async fn told(&self) {
        self.notify.notified().await;
    }

    /// The topics that are gone.
    pub fn take_deleted(&self) -> Vec<DeletedTopic> {
        std::mem::take(&mut self.deleted.lock())
    }
}
