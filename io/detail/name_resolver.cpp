#include "io/detail/name_resolver.hpp"

#include <algorithm>

namespace assay::io::detail {

namespace {

using boost::asio::ip::tcp;
constexpr std::chrono::seconds time_to_live{30};

/// One dead family must not use up the whole deadline before the other is tried.
std::vector<tcp::endpoint> alternating(const tcp::resolver::results_type& found) {
  std::vector<tcp::endpoint> first_family;
  std::vector<tcp::endpoint> other_family;
  for (const auto& entry : found) {
    const auto endpoint = entry.endpoint();
    const bool same = first_family.empty() || endpoint.protocol() == first_family.front().protocol();
    (same ? first_family : other_family).push_back(endpoint);
  }
  std::vector<tcp::endpoint> mixed;
  for (size_t i = 0; i < std::max(first_family.size(), other_family.size()); ++i) {
    if (i < first_family.size())
      mixed.push_back(first_family[i]);
    if (i < other_family.size())
      mixed.push_back(other_family[i]);
  }
  return mixed;
}

fault unresolved(const std::string& host, const std::string& reason) {
  return {errc::connect_failed,
          "the name " + host + " cannot be resolved: " + reason,
          {},
          "check the name in base_url or proxy, and this machine's DNS"};
}

} // namespace

name_resolver::name_resolver(boost::asio::io_context& context, std::string host, uint16_t port, judge check)
    : resolver_(context), host_(std::move(host)), port_(port), check_(std::move(check)) {
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(host_, failed);
  // One that is refused takes the way of names, where there is somebody to tell.
  if (!failed && (!check_ || check_({address}))) {
    literal_ = true;
    addresses_ = std::make_shared<std::vector<tcp::endpoint>>(1, tcp::endpoint(address, port_));
  }
}

address_list name_resolver::known(steady_point now) const {
  return literal_ || (addresses_ && now < expires_) ? addresses_ : nullptr;
}

void name_resolver::look_up(answer answered) {
  if (running_)
    return;
  running_ = true;
  resolver_.async_resolve(host_, std::to_string(port_), tcp::resolver::numeric_service,
                          [this, life = std::weak_ptr(life_), answered = std::move(answered)](
                              const boost::system::error_code& ec, const tcp::resolver::results_type& found) {
                            if (life.expired())
                              return;
                            running_ = false;
                            if (ec == boost::asio::error::operation_aborted)
                              return;
                            if (ec || found.empty())
                              answered(nullptr, unresolved(host_, ec ? ec.message() : "no address"));
                            else
                              take(found, answered);
                          });
}

void name_resolver::take(const tcp::resolver::results_type& found, const answer& answered) {
  if (check_) {
    std::vector<boost::asio::ip::address> all;
    for (const auto& entry : found)
      all.push_back(entry.endpoint().address());
    if (const auto allowed = check_(all); !allowed) {
      addresses_.reset();
      answered(nullptr, allowed.error());
      return;
    }
  }
  addresses_ = std::make_shared<std::vector<tcp::endpoint>>(alternating(found));
  expires_ = std::chrono::steady_clock::now() + time_to_live;
  answered(addresses_, {});
}

void name_resolver::prefer(const tcp::endpoint& working) {
  if (!addresses_ || addresses_->front() == working)
    return;
  auto reordered = std::make_shared<std::vector<tcp::endpoint>>(*addresses_);
  const auto at = std::find(reordered->begin(), reordered->end(), working);
  if (at == reordered->end())
    return;
  std::rotate(reordered->begin(), at, at + 1);
  addresses_ = std::move(reordered);
}

void name_resolver::forget() {
  if (!literal_)
    addresses_.reset();
}

void name_resolver::cancel() { resolver_.cancel(); }

} // namespace assay::io::detail
