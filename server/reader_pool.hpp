#pragma once

#include "core/values/errors.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace assay::server {

/// A few threads for what must not run on the edge's own thread: scans of the store and password hashes. The
/// line of waiting work is bounded: when it is full, callers are told so at once.
class reader_pool {
public:
  /// @param name Shows in the message when the line is full.
  reader_pool(std::string name, unsigned threads, size_t longest_line);
  /// Finishes what waits and joins.
  ~reader_pool();
  reader_pool(const reader_pool&) = delete;
  reader_pool& operator=(const reader_pool&) = delete;

  /// Runs @p work, a callable that answers result<T>, on one of the threads and resumes the caller on its own
  /// executor. @returns errc::busy when the line is full; errc::internal when the work throws.
  template <class Work, class Result = std::invoke_result_t<Work&>>
  boost::asio::awaitable<Result> run(Work work) {
    namespace asio = boost::asio;
    auto start = [this, &work](auto handler) {
      auto executor = asio::get_associated_executor(handler);
      // Shared because std::function must be copyable; there is only one owner at a time.
      auto call = std::make_shared<job<Work, Result, decltype(handler)>>(std::move(work), std::move(handler),
                                                                         executor);
      if (!submit([call] { call->run(); }))
        call->answer(Result{full()});
    };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result)>(std::move(start),
                                                                                         asio::use_awaitable);
  }

private:
  template <class Work, class Result, class Handler>
  struct job {
    using executor_type = boost::asio::associated_executor_t<Handler>;

    job(Work&& w, Handler&& h, const executor_type& executor)
        : work(std::move(w)), handler(std::move(h)), guard(executor) {}

    void run() {
      try {
        answer(work());
      } catch (const std::exception& error) {
        answer(Result{fault{errc::internal, error.what(), "reader", {}}});
      }
    }

    void answer(Result outcome) {
      auto executor = guard.get_executor();
      boost::asio::post(executor,
                        [h = std::move(handler), o = std::move(outcome)]() mutable { h(std::move(o)); });
      guard.reset();
    }

    Work work;
    Handler handler;
    boost::asio::executor_work_guard<executor_type> guard;
  };

  bool submit(std::function<void()> work);
  fault full() const;

  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

} // namespace assay::server
