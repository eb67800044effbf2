#pragma once

#include "core/llm/chat_reply.hpp"
#include "core/llm/llm_reply.hpp"
#include "core/llm/question.hpp"
#include "core/values/cache_use.hpp"
#include "server/auth/permissions.hpp"
#include "server/farm_access.hpp"
#include "server/request_context.hpp"

#include <boost/asio/awaitable.hpp>

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>

/// How the routes that ask models put their questions, whatever the API.
namespace assay::server {

/// What the caller says besides the question: who it is, and how the question is made.
struct asking {
  cache_use cache = cache_use::off;
  milliseconds timeout{600'000};
};

/// @returns what the request's headers say (`x-assay-cache`, `x-assay-timeout`), with the server's own time
/// where they say nothing; invalid_argument for other words.
result<asking> asking_of(const request_context& context);

/// @returns the farm's form of the question.
model_question chat_call(const std::optional<principal>& caller, const asking& how,
                         llm::chat_question question);
model_question embedding_call(const std::optional<principal>& caller, const asking& how,
                              llm::embedding_question question);
model_question count_call(const std::optional<principal>& caller, const asking& how,
                          llm::chat_question question);

/// Puts the question to the farm, to a model that it chooses where the caller has left that to it, when its
/// pictures may be fetched from where they are: a provider in the operator's own network would reach what the
/// caller cannot. @returns errc::forbidden when not.
boost::asio::awaitable<result<std::unique_ptr<asked_question>>> ask_checked(edge_services& edge,
                                                                            model_question question);

/// Asks and waits for the end. A caller that goes meanwhile withdraws the question.
/// @returns the outcome, or its error.
boost::asio::awaitable<result<call_outcome>> ask_and_wait(request_context& context, model_question question);

/// What an embedding question has led to.
struct embedded {
  std::string asked_model;
  bool as_base64 = false;
  call_outcome outcome; ///< With vectors.
};

/// Puts the request's texts to the farm. @param read How the API at hand writes such a question.
boost::asio::awaitable<result<embedded>>
ask_for_vectors(request_context& context, result<llm::embedding_question> (*read)(const nlohmann::json&));

/// What a provider that takes no more calls has asked for is passed on to the caller.
void note_wait(request_context& context, const call_outcome& outcome);

/// @returns a failed call's error as its caller is to see it: what is wrong at the provider, or with its
/// address, is not the caller's mistake, and a model that the provider does not know is.
fault as_told(const call_outcome& outcome);

/// Counts what the answer took against the limit of the key that asked; without one, nothing happens.
void charge_tokens(edge_services& edge, const std::string& api_key, const call_outcome& outcome);

/// @returns the answer as callers hear of it; refers to @p outcome.
llm::model_answer answer_of(const call_outcome& outcome);

/// @returns what /llm_api tells of an answer. @param model As asked for.
llm::answer_facts facts_of_answer(const call_outcome& outcome, const std::string& model);

/// @returns x-assay-served-by, x-assay-cost and x-assay-cached.
std::vector<header_field> facts_of(const call_outcome& outcome);
/// Their names, as a header `Trailer` announces them.
inline constexpr const char* facts_names = "x-assay-served-by, x-assay-cost, x-assay-cached";

} // namespace assay::server
