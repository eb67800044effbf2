#pragma once

#include "core/values/run.hpp"
#include "server/request_context.hpp"

#include <boost/asio/awaitable.hpp>

namespace assay::server {

/// Answers POST /llm_api/batch: starts a run that asks every item. Waits for its end when that is wished, and
/// answers 200 with the results; otherwise 202 with how far it is.
boost::asio::awaitable<result<response>> start_batch(request_context& context);

/// Answers GET /llm_api/batch/{id}.
boost::asio::awaitable<result<response>> find_batch(request_context& context);

/// Answers GET /llm_api/batch/{id}/results: a line for each item that has ended.
boost::asio::awaitable<result<response>> read_batch(request_context& context);

/// Answers POST /llm_api/batch/{id}/pause, /resume and /cancel.
boost::asio::awaitable<result<response>> command_batch(request_context& context, run_verb verb);

} // namespace assay::server
