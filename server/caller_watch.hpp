#pragma once

#include "server/net_stream.hpp"

#include <functional>
#include <memory>

namespace assay::server {

/// Notices that a caller hangs up while its answer is being made. A caller that ends its side of the
/// connection counts as gone: nobody who wants an answer does so.
class caller_watch {
public:
  /// @param stream Must outlive this. Nothing may be read from it between start() and stop().
  explicit caller_watch(net_stream& stream) : stream_(stream) {}
  ~caller_watch() { stop(); }
  caller_watch(const caller_watch&) = delete;
  caller_watch& operator=(const caller_watch&) = delete;

  /// Calls @p gone on the stream's thread, at most once, and not after stop().
  void start(std::function<void()> gone);
  void stop() noexcept;

private:
  struct watching;
  static void wait(net_stream& stream, const std::shared_ptr<watching>& state, bool for_data);

  net_stream& stream_;
  std::shared_ptr<watching> state_;
};

} // namespace assay::server
