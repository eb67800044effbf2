#include "tests/server/fake_gateway.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

namespace assay::server::test {

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t start = 0; start < text.size();) {
    const auto end = std::min(text.find(' ', start + 1), text.size());
    out.push_back(text.substr(start, end - start));
    start = end;
  }
  return out;
}

call_outcome outcome_of(const model_question& asked) {
  call_outcome out;
  out.id = asked.request.id;
  out.served_by = "fake/" + asked.model;
  out.served_model = asked.model + "-2026";
  out.finish = finish_reason::stop;
  out.usage = {3, 5, 0, 0};
  out.cost = money{1'500'000};
  out.cached = asked.cache == cache_use::use;
  if (asked.request.kind == call_kind::embed) {
    auto vectors = std::make_shared<embedding_vectors>();
    for (size_t i = 0; i < asked.request.inputs->texts.size(); ++i)
      vectors->vectors.push_back({0.5F, static_cast<float>(i)});
    out.embeddings = std::move(vectors);
  } else if (asked.request.kind == call_kind::count_tokens) {
    out.usage = {42, 0, 0, 0};
    out.usage_estimated = true;
  } else if (!asked.request.messages.empty()) {
    out.answer = shared_text{"echo: " + asked.request.messages.back().content.str()};
  }
  return out;
}

/// One streamed answer: the next word goes out when the one before was taken.
struct fake_stream {
  model_question asked;
  answer_sink_actor sink;
  std::vector<std::string> words;
  size_t next = 0;
};

struct gateway_of_tests {
  std::map<call_id, fake_stream> streams;

  void go_on(call_id id) {
    auto& stream = streams.at(id);
    const bool endless = stream.asked.model == "endless";
    if (stream.next < stream.words.size() || endless) {
      const auto& word = stream.words[stream.next++ % stream.words.size()];
      caf::anon_send(stream.sink, call_delta{id, {{0, word, {}, {}}}, word.size()});
      return;
    }
    auto outcome = outcome_of(stream.asked);
    if (stream.asked.model == "broken")
      outcome.error = fault{errc::truncated_answer, "the provider hung up", {}, {}};
    caf::anon_send(stream.sink, call_outcome_batch{run_id{}, {std::move(outcome)}});
    streams.erase(id);
  }

  void begin(const model_question& asked, const answer_sink_actor& sink) {
    auto outcome = outcome_of(asked);
    if (asked.model == "silent")
      return;
    if (asked.model == "busy")
      outcome.error = fault{errc::rate_limited, "too many questions are open", {}, "try again in a moment"};
    if (asked.model == "closed") {
      outcome.error = fault{errc::rate_limited, "the provider takes no more calls", {}, {}};
      outcome.retry_after = milliseconds{88'400};
    }
    if (asked.model == "huge")
      outcome.error = fault{errc::too_large, "the answer is over 64 MiB", {}, {}};
    const auto rejected = [&](uint16_t status, std::string message) {
      outcome.error = fault{errc::provider_rejected, std::move(message), {}, {}};
      outcome.http_status = status;
    };
    if (asked.model == "moved")
      rejected(308, "HTTP 308: Permanent Redirect");
    if (asked.model == "no-route")
      rejected(404, "HTTP 404: Not Found");
    if (asked.model == "unknown-there")
      rejected(404, "The model `unknown-there` does not exist");
    if (asked.model == "refused")
      rejected(400, "the prompt is too long for the model");
    if (asked.model == "missing")
      outcome.error = fault{errc::not_found, "no model is called `missing`", "model", {}};
    if (!asked.request.stream || outcome.error)
      return caf::anon_send(sink, call_outcome_batch{run_id{}, {std::move(outcome)}});
    streams[asked.request.id] = {asked, sink, words_of(outcome.answer.str()), 0};
    if (asked.model == "broken")
      streams[asked.request.id].words.resize(1);
    go_on(asked.request.id);
  }
};

} // namespace

gateway_actor fake_gateway::spawn(caf::actor_system& system) {
  const auto behave = [this](gateway_actor::pointer) -> gateway_actor::behavior_type {
    const auto state = std::make_shared<gateway_of_tests>();
    return {
        [](const call_outcome_batch&) {},
        [](const lane_credit&) {},
        [](const call_delta&) {},
        [](const calls_on_the_wire&) {},
        [this, state](const ask_models& wish) {
          for (const auto& one : wish.questions) {
            {
              const std::lock_guard lock{mutex_};
              questions_.push_back(one);
            }
            state->begin(one, wish.sink);
          }
        },
        [this, state](const withdraw_questions& wish) {
          const std::lock_guard lock{mutex_};
          withdrawn_ += wish.calls.size();
          for (const auto id : wish.calls)
            state->streams.erase(id);
        },
        [this, state](const deltas_taken& news) {
          {
            const std::lock_guard lock{mutex_};
            taken_ += news.bytes;
          }
          if (state->streams.contains(news.id))
            state->go_on(news.id);
        },
        [](const read_gauges&) -> caf::result<gauges> {
          return gauges{{{metric::gateway_open_questions, {}, 1}}, {}};
        },
        [](const tick&) {},
    };
  };
  return system.spawn(behave);
}

} // namespace assay::server::test
