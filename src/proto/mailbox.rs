//! The mailbox: messages to nodes by way of servers, over HTTP, as PyP2P's simulated DHT does it (`dht_msg.php`).
//!
//! This is a node's side of it, without I/O. Time comes in as an [`Instant`]; what is to be asked goes out as
//! [`Output::Ask`] with path, limit and size, and what came of it comes back by [`Mailbox::answered`]. `docs/dht.md` says
//! what is guaranteed; how it comes about:
//!
//! * **Every server is used for receiving, the first that works for sending.** Two nodes that share one working server
//!   find each other, whatever has become of the others.
//! * **A server may forget us** (it was restarted): it answers like to a stranger, and we register again. A stranger is also
//!   what we are to it when our name belongs to somebody else; that shows when it refuses us right after a registration,
//!   and is told as trouble and tried again ever more rarely.
//! * **A message is put until a server says that it has it,** or its patience ends. A server that has it, but whose answer was
//!   lost, gets it twice; so each has a token, by which the receiver knows it again ([`wrap`]).
//! * **Messages are fetched until they are here.** Our server removes them when we say so (`ack`); a repetition is known by
//!   its number. PyP2P's script removes them as it gives them out: of an answer that breaks off, the whole messages
//!   are saved, and known by their digits if they come again.
//!
//! Everything is bounded: messages under way, requests at a time (three a server and one message), answers, what is
//! remembered.

pub mod answer;
pub mod call;
mod post;
mod puts;
pub mod settings;
pub mod wrap;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

pub use answer::Neighbour;
use answer::{Letter, Said, longest, read, rescue};
pub use call::{Call, Style};
use post::{Place, Post};
pub use puts::MAX_TEXT;
use puts::{Puts, Verdict};
pub use settings::{CallId, Happening, MOST_SERVERS, NoReply, Output, PutError, Reply, Server, Settings};
use wrap::{Seen, unwrap};

/// Tokens remembered: a message that comes again after so many others is not known again.
const SEEN: usize = 4096;

/// A request that is under way.
#[derive(Debug)]
struct Asked {
    id: CallId,
    server: usize,
    place: Place,
    call: Call,
    since: Instant,
    /// [`Post::registrations`] at that time.
    registrations: u32,
}

/// A node's mailboxes.
#[derive(Debug)]
pub struct Mailbox {
    settings: Settings,
    rng: fastrand::Rng,
    posts: Vec<Post>,
    puts: Puts,
    asked: Vec<Asked>,
    next_id: u64,
    seen: Seen,
    outputs: VecDeque<Output>,
    has_left: bool,
}

impl Mailbox {
    /// A node that registers at once. `seed` decides pauses, nothing that has to be secret.
    pub fn new(now: Instant, settings: Settings, seed: u64) -> Mailbox {
        let servers = settings.servers.iter().take(MOST_SERVERS).cloned();
        let mut mailbox = Mailbox {
            posts: servers.map(|server| Post::new(now, server)).collect(),
            puts: Puts::new(settings.secret, settings.patience, settings.queue),
            rng: fastrand::Rng::with_seed(seed),
            settings,
            asked: Vec::new(),
            next_id: 0,
            seen: Seen::new(SEEN),
            outputs: VecDeque::new(),
            has_left: false,
        };
        mailbox.drive(now);
        mailbox
    }

    /// Leaves a message. There will be one [`Happening::Put`] with this tag.
    pub fn put(&mut self, now: Instant, tag: u64, to: crate::proto::dht_id::NodeId, text: &str) {
        if let Err(e) = self.puts.add(now, tag, to, text) {
            self.tell(Happening::Put { tag, outcome: Err(e) });
        }
        self.drive(now);
    }

    /// The machine's network is another one: what is under way will not be answered, what failed may work.
    pub fn network_changed(&mut self, now: Instant) {
        self.give_up_all();
        for post in &mut self.posts {
            post.wake(now);
        }
        self.puts.again(now);
        self.drive(now);
    }

    /// The end: everything is given up. Nothing is told about what was under way.
    pub fn leave(&mut self) {
        self.has_left = true;
        self.outputs.clear();
        self.give_up_all();
    }

    /// What came of a request. One that was given up may still be reported.
    pub fn answered(&mut self, now: Instant, id: CallId, reply: Result<Reply, NoReply>) {
        let Some(at) = self.asked.iter().position(|asked| asked.id == id) else { return };
        let asked = self.asked.swap_remove(at);
        if let Some(post) = self.posts.get_mut(asked.server) {
            post.vacate(id);
        }
        match reply {
            Ok(Reply { status, body, broke: None }) => {
                let style =
                    self.posts.get(asked.server).map_or(Style::Clean, |post| post.server.style.clone());
                match read(&asked.call, &style, status, &body) {
                    Ok(said) => self.said(now, asked, said),
                    Err(e) => self.failed(now, &asked, &e.to_string()),
                }
            }
            Ok(Reply { status, body, broke: Some(why) }) => {
                if asked.place == Place::List && status == 200 {
                    self.save(asked.server, &body);
                }
                self.failed(now, &asked, &why);
            }
            // A script that has nothing to tell for ten minutes is no failure.
            Err(e) if e.is_late && asked.place == Place::List && self.is_script(asked.server) => {
                if let Some(post) = self.posts.get_mut(asked.server) {
                    post.list_at = now;
                }
            }
            Err(e) => self.failed(now, &asked, &e.why),
        }
        self.drive(now);
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Instant) {
        for (id, tag, error) in self.puts.expire(now) {
            self.asked.retain(|asked| Some(asked.id) != id);
            self.outputs.extend(id.map(Output::GiveUp));
            self.tell(Happening::Put { tag, outcome: Err(error) });
        }
        self.drive(now);
    }

    /// When [`Mailbox::on_timeout`] has to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.has_left {
            return None;
        }
        let opens = self.posts.iter().filter_map(Post::opens).min();
        let posts = self.posts.iter().filter_map(Post::deadline);
        posts.chain(self.puts.deadline(opens)).min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Messages under way.
    pub fn under_way(&self) -> usize {
        self.puts.len()
    }

    fn is_script(&self, server: usize) -> bool {
        self.posts.get(server).is_some_and(|post| !post.is_clean())
    }

    fn tell(&mut self, what: Happening) {
        self.outputs.push_back(Output::Happening(what));
    }

    fn give_up_all(&mut self) {
        for post in &mut self.posts {
            post.vacate_all().for_each(drop);
        }
        self.outputs.extend(self.asked.drain(..).map(|asked| Output::GiveUp(asked.id)));
    }

    /// A server has answered, and as it should.
    fn said(&mut self, now: Instant, asked: Asked, said: Said) {
        let Some(post) = self.posts.get_mut(asked.server) else { return };
        let is_put = asked.place == Place::Put;
        match said {
            Said::Stranger => {
                if is_put {
                    self.puts.judge(now, asked.id, Verdict::Later("the server does not know this node"));
                }
                // It has registered us since it was asked that.
                if asked.registrations != post.registrations {
                    return;
                }
                if post.refused(now, &mut self.rng) {
                    let why = "registers this node and then refuses it; its name may belong to somebody else, with another password";
                    self.trouble(asked.server, why);
                }
                return;
            }
            Said::Busy(why) if is_put => {
                self.puts.judge(now, asked.id, Verdict::Later(&why));
                return;
            }
            Said::Never(why) if is_put => {
                let tag = self.puts.judge(now, asked.id, Verdict::Ended);
                if let Some(tag) = tag {
                    self.tell(Happening::Put { tag, outcome: Err(PutError::Never(why)) });
                }
                return;
            }
            Said::Busy(why) | Said::Never(why) => {
                return self.failed(now, &asked, &format!("refuses: {why}"));
            }
            _ if asked.place == Place::Register => return post.registered(now),
            _ => {}
        }
        if post.knows_us() {
            let server = post.server.name.clone();
            self.tell(Happening::Registered { server });
        }
        let Some(post) = self.posts.get_mut(asked.server) else { return };
        match said {
            Said::Letters(letters) => {
                post.list_at = asked.since;
                post.listed(now, letters.is_empty());
                let fresh = post.fresh(letters.clone());
                if post.is_clean() {
                    post.ack = letters.iter().filter_map(|letter| letter.number).max();
                    post.handed = letters;
                }
                self.deliver(asked.server, fresh);
            }
            Said::Neighbours(mut nodes) => {
                post.chore_done(now, self.settings.alive);
                nodes.retain(|node| node.id != self.settings.id);
                if !nodes.is_empty() {
                    self.tell(Happening::Neighbours(nodes));
                }
            }
            _ if is_put => {
                if let Some(tag) = self.puts.judge(now, asked.id, Verdict::Ended) {
                    self.tell(Happening::Put { tag, outcome: Ok(()) });
                }
            }
            _ => post.chore_done(now, self.settings.alive),
        }
    }

    /// There was no answer, or none that makes sense.
    fn failed(&mut self, now: Instant, asked: &Asked, why: &str) {
        if asked.place == Place::Put {
            self.puts.judge(now, asked.id, Verdict::Elsewhere(why));
        }
        if let Some(post) = self.posts.get_mut(asked.server) {
            post.rest(now, &mut self.rng);
            self.trouble(asked.server, why);
        }
    }

    fn trouble(&mut self, server: usize, why: &str) {
        if let Some(post) = self.posts.get_mut(server)
            && !std::mem::replace(&mut post.troubled, true)
        {
            let text = format!("mailbox {}: {why}; trying again", post.server.name);
            self.tell(Happening::Trouble(text));
        }
    }

    /// An answer with messages has broken off. A script has removed them, so those that are whole are delivered.
    fn save(&mut self, server: usize, body: &[u8]) {
        let Some(post) = self.posts.get_mut(server).filter(|post| !post.is_clean()) else { return };
        let letters = rescue(body);
        let fresh = post.fresh(letters.clone());
        post.handed = letters;
        self.deliver(server, fresh);
    }

    fn deliver(&mut self, server: usize, letters: Vec<Letter>) {
        let mut unreadable = 0;
        for letter in letters {
            match unwrap(&letter.digits) {
                Ok(Some((text, token))) => {
                    if token.is_none_or(|token| self.seen.is_new(token)) {
                        self.tell(Happening::Message { text });
                    }
                }
                Ok(None) | Err(_) => unreadable += 1,
            }
        }
        if unreadable > 0
            && let Some(post) = self.posts.get(server)
        {
            let text = format!(
                "mailbox {}: {unreadable} messages that are no texts were left out",
                post.server.name
            );
            self.tell(Happening::Trouble(text));
        }
    }

    /// Asks whatever is due.
    fn drive(&mut self, now: Instant) {
        if self.has_left {
            return;
        }
        for server in 0..self.posts.len() {
            while let Some(post) = self.posts.get_mut(server)
                && let Some(place) = post.due(now)
            {
                let call = match place {
                    Place::Register => Call::Register,
                    Place::Chore => post.next_chore.call(),
                    Place::List | Place::Put => Call::List { ack: post.ack.take() },
                };
                let id = self.ask(now, server, place, call);
                if let Some(post) = self.posts.get_mut(server) {
                    match place {
                        Place::Register => post.register = Some(id),
                        Place::Chore => post.chore = Some(id),
                        Place::List | Place::Put => post.list = Some(id),
                    }
                }
            }
        }
        if let Some(server) = self.posts.iter().position(|post| post.is_open(now))
            && let Some(call) = self.puts.next(now)
        {
            let id = self.ask(now, server, Place::Put, call);
            self.puts.asked(id);
        }
    }

    fn ask(&mut self, now: Instant, server: usize, place: Place, call: Call) -> CallId {
        let id = CallId(self.next_id);
        self.next_id += 1;
        if let Some(post) = self.posts.get(server) {
            let style = &post.server.style;
            let path = call.path(style, &self.settings);
            let (limit, longest) = (call.limit(style, &self.settings), longest(&call));
            let registrations = post.registrations;
            self.outputs.push_back(Output::Ask { id, server, call: call.clone(), path, limit, longest });
            self.asked.push(Asked { id, server, place, call, since: now, registrations });
        }
        id
    }
}
