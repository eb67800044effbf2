#pragma once

#include "core/values/ids.hpp"
#include "core/values/shared_text.hpp"
#include "protocol/messages/events.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace assay::server {

/// What waits to be written to one WebSocket, and which runs it follows. Filled by the farm's threads and by
/// the session, emptied by the session. Bounded: of progress only the newest frame of each run waits, and at
/// the limit the queue overflows, which ends the session.
///
/// A run that is followed is either catching up (the session reads the store) or level (live frames go
/// straight into the queue). Frames that arrive meanwhile are not kept, only how far they reach: events are
/// published after they are stored, so the store has them. Samples are always read from the store.
class frame_queue {
public:
  /// @param limit Bytes that may wait. @param wake Called from any thread when the session has something to
  /// do, once until the session has begun its next turn. Must not call back.
  frame_queue(size_t limit, std::function<void()> wake);

  // -- from the farm ------------------------------------------------------------------------------------

  void push_live(const std::vector<frame>& frames);
  /// The sender of live frames ended: every run has to be subscribed anew.
  void lose_source();

  // -- from the session ---------------------------------------------------------------------------------

  /// The session looks at everything now; the next news wakes it again.
  void begin_turn();
  /// The session ends: nobody is woken any more, and nothing is kept.
  void detach();

  /// An own answer or a frame read from the store.
  void push(shared_text text);
  /// @returns the first frame, which keeps its place (and its bytes) until pop().
  std::optional<shared_text> front() const;
  void pop();
  /// Drops everything but the frame that is being written.
  void clear_waiting();

  size_t waiting_bytes() const;
  bool overflowed() const;
  /// @returns whether the source was lost since the last call.
  bool take_source_loss();

  /// Starts to follow @p run behind @p sent, catching up. Replaces an earlier following of the same run.
  void follow(run_id run, uint64_t sent, bool samples);
  void forget(run_id run);
  bool follows(run_id run) const;
  size_t followed() const;
  std::vector<run_id> followed_runs() const;
  /// @returns how far the client has been told, or nothing when the run is not followed.
  std::optional<uint64_t> sent(run_id run) const;

  /// The session has pushed everything up to @p sent. @returns whether the run is level now: nothing newer is
  /// known.
  bool advance(run_id run, uint64_t sent);
  /// Forgets progress that was heard while catching up: it is older than the end that the store told of.
  void drop_progress(run_id run);
  /// The run has events up to @p known: the store is read again if the client has not been told all of them.
  void expect(run_id run, uint64_t known);
  /// @returns runs that fell behind since the last call. Each is catching up already.
  std::vector<run_id> take_behind();

private:
  struct entry {
    shared_text text;
    std::optional<run_id> progress_of;
  };
  struct following {
    uint64_t sent = 0;
    uint64_t known = 0; ///< The highest sequence number heard of.
    bool samples = false;
    bool level = false;
    shared_text newest_progress; ///< Heard while catching up.
  };

  void put(shared_text text, std::optional<run_id> progress_of);
  void put_progress(run_id run, const shared_text& text);
  bool hear(const frame& one);
  void wake();

  const size_t limit_;
  std::mutex
      wake_mutex_; ///< Held while waking, so that detach() waits for it. Taken after mutex_ is released.
  std::function<void()> wake_;
  bool woken_ = false;
  mutable std::mutex mutex_;
  std::deque<entry> waiting_;
  size_t bytes_ = 0;
  bool overflowed_ = false;
  bool source_lost_ = false;
  std::map<run_id, following> runs_;
  std::vector<run_id> behind_;
};

} // namespace assay::server
