#pragma once

#include "protocol/actors.hpp"
#include "server/farm_access.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <caf/actor_system.hpp>

#include <cstdint>
#include <memory>

namespace assay::server {

/// Where sessions of the edge wait for answers of one gateway. One actor behind it hears all of them and
/// posts them to the edge's thread, where each finds its question; so a question costs no actor and no timer
/// of its own in the farm. Used on the edge's thread.
class answer_desk : public std::enable_shared_from_this<answer_desk> {
public:
  /// @param edge Runs the edge's thread. @p system must outlive this.
  answer_desk(caf::actor_system& system, gateway_actor gateway, const boost::asio::any_io_executor& edge);
  ~answer_desk();
  answer_desk(const answer_desk&) = delete;
  answer_desk& operator=(const answer_desk&) = delete;

  const gateway_actor& gateway() const noexcept { return gateway_; }

  /// @returns whether the gateway has ended: its successor needs a desk of its own.
  bool lost() const noexcept;

  std::unique_ptr<asked_question> ask(model_question question);

  /// Lets go of every actor. Who waits hears errc::shutting_down.
  void close() noexcept;

private:
  struct core;
  class ticket;

  std::shared_ptr<core> core_;
  gateway_actor gateway_;
  answer_sink_actor sink_;
  uint64_t next_question_ = 0;
};

} // namespace assay::server
