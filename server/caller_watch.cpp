#include "server/caller_watch.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <poll.h>

namespace assay::server {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

bool has_hung_up(tcp::socket& socket) {
  pollfd asked{socket.native_handle(), POLLRDHUP, 0};
  return ::poll(&asked, 1, 0) != 0; // The time is zero: this looks and does not wait.
}

} // namespace

struct caller_watch::watching {
  std::function<void()> gone; ///< Empty once it has been told, or may not be any more.
  boost::asio::cancellation_signal stop;
};

void caller_watch::start(std::function<void()> gone) {
  stop();
  state_ = std::make_shared<watching>();
  state_->gone = std::move(gone);
  wait(stream_, state_, true);
}

void caller_watch::stop() noexcept {
  if (!state_)
    return;
  state_->gone = nullptr;
  state_->stop.emit(boost::asio::cancellation_type::terminal);
  state_.reset();
}

void caller_watch::wait(net_stream& stream, const std::shared_ptr<watching>& state, bool for_data) {
  const auto what = for_data ? tcp::socket::wait_read : tcp::socket::wait_error;
  stream.socket().async_wait(
      what, boost::asio::bind_cancellation_slot(state->stop.slot(),
                                                [&stream, state, for_data](const error_code& error) {
                                                  if (!state->gone)
                                                    return;
                                                  if (error || has_hung_up(stream.socket())) {
                                                    const auto tell = std::exchange(state->gone, nullptr);
                                                    tell();
                                                  } else if (for_data) {
                                                    // A further request waits in line already. From now on
                                                    // only a broken connection shows.
                                                    wait(stream, state, false);
                                                  }
                                                }));
}

} // namespace assay::server
