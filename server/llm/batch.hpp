#pragma once

#include "core/llm/llm_reply.hpp"
#include "server/farm_access.hpp"
#include "server/request_context.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace assay::server {

/// Answers POST /llm_api/batch: asks every item of it, some at a time, and waits for all.
boost::asio::awaitable<result<response>> ask_batch(request_context& context);

/// @returns what /llm_api tells of an answer. @param model As asked for.
llm::answer_facts facts_of_answer(const call_outcome& outcome, const std::string& model);

} // namespace assay::server
