//! The stories of requests to connect by locator, for whoever asks: those under way, and the last that have ended.

use std::collections::VecDeque;

use crate::proto::connect::report::Story;
use crate::small::SmallMap;

/// Stories of ended requests that are kept.
const KEPT: usize = 64;

/// By request.
#[derive(Default)]
pub(crate) struct Stories {
    by_request: SmallMap<u64, Story>,
    /// Those that have ended, oldest first.
    ended: VecDeque<u64>,
}

impl Stories {
    /// Enters a story, or its next state.
    pub(crate) fn put(&mut self, story: Story) {
        let (request, over) = (story.request, story.took.is_some());
        let before = self.by_request.insert(request, story);
        if over && before.is_none_or(|before| before.took.is_none()) {
            self.ended.push_back(request);
        }
        while self.ended.len() > KEPT {
            if let Some(oldest) = self.ended.pop_front() {
                self.by_request.remove(&oldest);
            }
        }
    }

    /// The story of a request.
    pub(crate) fn get(&self, request: u64) -> Option<&Story> {
        self.by_request.get(&request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::connect::report::End;
    use std::time::Duration;

    #[test]
    fn the_last_that_ended_are_kept_and_all_that_run() {
        let mut stories = Stories::default();
        stories.put(Story { request: 1, ..Story::default() });
        for request in 2..=KEPT as u64 + 3 {
            let mut story = Story { request, ..Story::default() };
            stories.put(story.clone());
            story.over(Duration::from_secs(1), End::Running);
            stories.put(story.clone());
            stories.put(story);
        }
        assert!(stories.get(1).is_some() && stories.get(2).is_none() && stories.get(3).is_none());
        assert!(stories.get(4).is_some());
        assert_eq!(stories.by_request.len(), KEPT + 1);
    }
}
