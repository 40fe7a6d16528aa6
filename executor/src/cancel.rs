//! [`CancelToken`]: the one way to end a wait from outside. Signal, exit, timeout and kill all
//! cancel a token; whoever waits races its future against [`CancelToken::cancelled`].
//!
//! Tokens form a tree: cancelling one cancels all below it, never the ones above. A child keeps its
//! parents alive, a parent knows its children only weakly.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use slab::Slab;

use crate::{
    loom::{AtomicBool, Ordering, fence},
    sync::Lock,
    wait_queue::{Registration, WaitQueue},
};

/// A flag that is set once and wakes those who wait for it; clones share the flag.
#[derive(Clone)]
pub struct CancelToken {
    node: Arc<Node>,
}

struct Node {
    /// Goes from false to true, once, under the lock of `children`.
    is_cancelled: AtomicBool,
    /// Those to cancel with this one; empty for good once cancelled.
    children: Lock<Slab<Weak<Self>>>,
    waiters: WaitQueue,
    /// The node above and this node's place in its `children`.
    parent: Option<(Arc<Self>, usize)>,
}

impl CancelToken {
    /// A token that is not cancelled and has no parent.
    pub fn new() -> Self {
        Self {
            node: Arc::new(Node::new(false, None)),
        }
    }

    /// A token that is cancelled with this one, or alone; cancelled already if this one is.
    pub fn child(&self) -> Self {
        let mut children = self.node.children.lock();
        if self.node.is_cancelled.load(Ordering::Relaxed) {
            return Self {
                node: Arc::new(Node::new(true, None)),
            };
        }
        // The node is complete before it is listed, so that a cancel never meets half a child.
        let place = children.vacant_entry();
        let parent = (Arc::clone(&self.node), place.key());
        let node = Arc::new(Node::new(false, Some(parent)));
        place.insert(Arc::downgrade(&node));
        Self { node }
    }

    /// Cancels this token and all below it, and wakes all who wait. Again does nothing.
    pub fn cancel(&self) {
        // A work list, not recursion: a guest chooses how deep its process tree is.
        let mut pending = vec![Arc::clone(&self.node)];
        while let Some(node) = pending.pop() {
            let children = {
                let mut children = node.children.lock();
                node.is_cancelled.store(true, Ordering::Release);
                std::mem::take(&mut *children)
            };
            fence(Ordering::SeqCst); // pairs with WaitQueue::register, see wait_queue.rs
            node.waiters.wake_all();
            pending.extend(
                children
                    .into_iter()
                    .filter_map(|(_, child)| child.upgrade()),
            );
        }
    }

    /// Tells whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled.load(Ordering::Acquire)
    }

    /// A future that is ready once the token is cancelled.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled {
            node: Arc::clone(&self.node),
            registration: None,
        }
    }

    /// Awaits `future` unless the token is cancelled first: then returns `None`.
    ///
    /// A future that is ready wins over a token that is cancelled, so a result is never thrown away.
    ///
    /// # Cancellation
    /// `future` is dropped with this one, or when the token was cancelled first.
    pub async fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut cancelled = pin!(self.cancelled());
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => cancelled.as_mut().poll(cx).map(|()| None),
        })
        .await
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

impl Node {
    fn new(is_cancelled: bool, parent: Option<(Arc<Self>, usize)>) -> Self {
        Self {
            is_cancelled: AtomicBool::new(is_cancelled),
            children: Lock::default(),
            waiters: WaitQueue::new(),
            parent,
        }
    }

    /// Leaves the parent's list and returns the parent.
    fn detach(&mut self) -> Option<Arc<Self>> {
        let (parent, key) = self.parent.take()?;
        // Gone already if the parent was cancelled; its list takes no new ones after that.
        let unlisted = parent.children.lock().try_remove(key);
        drop(unlisted);
        Some(parent)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Takes a chain of parents apart in a loop: a drop inside a drop could overflow the stack.
        let mut parent = self.detach();
        while let Some(mut node) = parent.and_then(Arc::into_inner) {
            parent = node.detach();
        }
    }
}

/// The future of [`CancelToken::cancelled`]. Dropping it ends the wait.
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled {
    node: Arc<Node>,
    registration: Option<Registration>,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.node.is_cancelled.load(Ordering::Acquire) {
            match &mut self.registration {
                Some(registration) => registration.update(cx.waker()),
                None => self.registration = Some(self.node.waiters.register(cx.waker())),
            }
            if !self.node.is_cancelled.load(Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        self.registration = None;
        Poll::Ready(())
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn cancel_reaches_down_but_not_up() {
        let root = CancelToken::new();
        let (left, right) = (root.child(), root.child());
        let below = left.child();
        left.cancel();
        assert!(left.is_cancelled() && below.is_cancelled());
        assert!(!root.is_cancelled() && !right.is_cancelled());
        assert!(left.child().is_cancelled());
        root.cancel();
        assert!(right.is_cancelled());
    }

    #[test]
    fn grandchild_is_reached_through_a_parent_that_nobody_holds() {
        let root = CancelToken::new();
        let grandchild = root.child().child();
        root.cancel();
        assert!(grandchild.is_cancelled());
    }

    #[test]
    fn dropped_children_leave_the_list() {
        let root = CancelToken::new();
        for _ in 0..100 {
            drop(root.child());
        }
        let kept = root.child();
        assert_eq!(root.node.children.lock().len(), 1);
        drop(kept);
        assert_eq!(root.node.children.lock().len(), 0);
    }

    #[test]
    fn deep_chain_is_cancelled_and_dropped_without_recursion() {
        let root = CancelToken::new();
        let mut leaf = root.child();
        for _ in 0..200_000 {
            leaf = leaf.child();
        }
        root.cancel();
        assert!(leaf.is_cancelled());
        drop(root);
        drop(leaf);
    }

    #[test]
    fn run_prefers_a_result_to_a_cancellation() {
        let token = CancelToken::new();
        token.cancel();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let ready = pin!(token.run(async { 7 })).poll(&mut cx);
        assert_eq!(ready, Poll::Ready(Some(7)));
        let never = pin!(token.run(std::future::pending::<()>())).poll(&mut cx);
        assert_eq!(never, Poll::Ready(None));
    }
}
