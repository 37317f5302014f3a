//! "Is my port open?": asked of servers outside, over HTTP.
