#pragma once

#include "server/net_stream.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>

namespace assay::server {

/// Interrupts what a stream is doing when a time has passed. One at a time; setting it again replaces it.
class stream_deadline {
public:
  explicit stream_deadline(net_stream& stream)
      : timer_(stream.get_executor()), state_(std::make_shared<state>(state{&stream, false, 0})) {}
  ~stream_deadline() { state_->stream = nullptr; }
  stream_deadline(const stream_deadline&) = delete;
  stream_deadline& operator=(const stream_deadline&) = delete;

  void set(std::chrono::steady_clock::duration time) {
    const auto round = ++state_->round;
    timer_.expires_after(time);
    timer_.async_wait([state = state_, round](const boost::system::error_code& error) {
      // A wait that had already expired when it was replaced still ends without an error.
      if (error || !state->stream || state->round != round)
        return;
      state->expired = true;
      state->stream->cancel();
    });
  }

  void clear() {
    ++state_->round;
    timer_.cancel();
  }

  /// @returns whether it has passed since the last set().
  bool expired() const noexcept { return state_->expired; }
  void reset() noexcept { state_->expired = false; }

private:
  struct state {
    net_stream* stream;
    bool expired;
    unsigned long round;
  };

  boost::asio::steady_timer timer_;
  std::shared_ptr<state> state_;
};

} // namespace assay::server
