#pragma once

#include "core/values/errors.hpp"
#include "io/detail/timer_wheel.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace assay::io::detail {

using address_list = std::shared_ptr<const std::vector<boost::asio::ip::tcp::endpoint>>;

/// Looks up one name and remembers the answer for 30 s. The lookup itself runs on a thread of Asio's and
/// cannot be interrupted: whoever waits for it keeps its own deadline.
class name_resolver {
public:
  /// Gets the addresses (IPv6 and IPv4 alternating), or null and the reason.
  using answer = std::function<void(address_list, const fault& reason)>;
  /// Judges all addresses of an answer before any of them is known.
  using judge = std::function<result<void>(const std::vector<boost::asio::ip::address>&)>;

  /// @param check empty: every address will do.
  name_resolver(boost::asio::io_context& context, std::string host, uint16_t port, judge check = {});

  /// @returns the addresses if they are known at @p now, else null.
  address_list known(steady_point now) const;

  /// Starts a lookup unless one is under way; @p answered runs later, on the loop.
  void look_up(answer answered);

  /// Puts the address that worked first.
  void prefer(const boost::asio::ip::tcp::endpoint& working);

  /// Drops what is remembered: none of the addresses answers any more.
  void forget();

  /// Answers nobody any more.
  void cancel();

private:
  void take(const boost::asio::ip::tcp::resolver::results_type& found, const answer& answered);

  boost::asio::ip::tcp::resolver resolver_;
  std::string host_;
  uint16_t port_;
  judge check_;
  bool literal_ = false;
  bool running_ = false;
  std::shared_ptr<char> life_ = std::make_shared<char>(); ///< Ends with this object; lookups check it.
  address_list addresses_;
  steady_point expires_{};
};

} // namespace assay::io::detail
