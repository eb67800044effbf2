#pragma once

#include "core/values/errors.hpp"
#include "protocol/errors.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace assay::server {

/// No question to an actor waits longer.
inline constexpr milliseconds longest_ask{5000};

/// Resumes a coroutine with the answer to one question, on the coroutine's own executor, exactly once: also
/// when the actor that asked ends without having heard anything.
template <class Reply, class Handler>
class pending_answer {
public:
  explicit pending_answer(Handler&& handler)
      : guard_(boost::asio::get_associated_executor(handler)), handler_(std::move(handler)) {}

  ~pending_answer() {
    if (handler_)
      deliver(fault{errc::actor_lost, "the farm ended before it answered", {}, "try again"});
  }

  pending_answer(const pending_answer&) = delete;
  pending_answer& operator=(const pending_answer&) = delete;

  void deliver(result<Reply> answer) {
    auto executor = guard_.get_executor();
    boost::asio::post(executor, [handler = std::move(*handler_), answer = std::move(answer)]() mutable {
      handler(std::move(answer));
    });
    handler_.reset();
    guard_.reset();
  }

private:
  boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> guard_;
  std::optional<Handler> handler_;
};

/// Asks an actor from a coroutine: `co_await ask<run_counts>(system, runs, count_runs{})`. A short-lived
/// actor sends the request and posts the answer back. @returns the actor's fault, errc::deadline_exceeded or
/// errc::actor_lost.
template <class Reply, class Handle, class Message>
boost::asio::awaitable<result<Reply>> ask(caf::actor_system& system, Handle target, Message message,
                                          milliseconds timeout = longest_ask) {
  namespace asio = boost::asio;
  if (!target)
    co_return fault{errc::shutting_down, "the farm is not running", {}, "try again later"};
  auto start = [&](auto handler) {
    auto pending = std::make_shared<pending_answer<Reply, decltype(handler)>>(std::move(handler));
    system.spawn([target, timeout, pending, message = std::move(message)](caf::event_based_actor* self) {
      self->request(target, timeout, message)
          .then([pending](Reply& answer) { pending->deliver(std::move(answer)); },
                [pending](caf::error& error) { pending->deliver(to_fault(error)); });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(result<Reply>)>(
      std::move(start), asio::use_awaitable);
}

} // namespace assay::server
