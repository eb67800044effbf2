#pragma once

#include "actors/fleet/response_cache.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/others.hpp>

#include <deque>
#include <map>

/// A response cache between askers, a router, a journal and a store that the test moves by hand.
namespace assay::test {

using namespace std::chrono_literals;

inline const run_id run_a{1'700'000'000U, 1U};
inline const run_id run_b{1'700'000'000U, 2U};
inline const run_id run_c{1'700'000'000U, 3U};

/// Stands for an evaluation.
struct asker_state {
  std::vector<call_outcome> outcomes;
  std::vector<uint32_t> credits;
  std::vector<call_delta> deltas;
};

inline call_sink_actor::behavior_type asker(call_sink_actor::stateful_pointer<asker_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [self](const lane_credit& credit) { self->state.credits.push_back(credit.calls); },
      [self](const call_delta& delta) { self->state.deltas.push_back(delta); },
      [](const calls_on_the_wire&) {},
  };
}

/// Stands for the router.
struct router_state {
  std::vector<lane> lanes;
  std::vector<std::pair<run_id, call>> calls;
  std::vector<withdraw_calls> withdrawals;
  std::vector<close_lane> closed;
};

inline call_target_actor::behavior_type router(call_target_actor::stateful_pointer<router_state> self) {
  return {
      [self](const open_lane& wish) { self->state.lanes.push_back(wish.where); },
      [self](const call_batch& batch) {
        for (const auto& one : batch.calls)
          self->state.calls.emplace_back(batch.where.run, one);
      },
      [self](const withdraw_calls& wish) { self->state.withdrawals.push_back(wish); },
      [](const recall_calls&) {},
      [](const deltas_taken&) {},
      [self](const close_lane& wish) { self->state.closed.push_back(wish); },
  };
}

/// Stands for the store: rows become visible when the test commits.
struct rows {
  std::map<std::string, std::string> committed;
  size_t reads = 0;

  void apply(const append_batch& batch) {
    for (const auto& one : batch.documents) {
      if (one.value)
        committed[one.key] = *one.value;
      else
        committed.erase(one.key);
    }
  }
};

struct held_commits {
  std::deque<append> waiting;
  size_t largest = 0;
};

inline journal_actor::behavior_type journal_of(journal_actor::stateful_pointer<held_commits> self) {
  return {
      [self](const append& message) {
        self->state.largest = std::max(self->state.largest, message.batch.documents.size());
        self->state.waiting.push_back(message);
      },
      [](const append_and_wait&) { return committed{}; },
      [](const flush_journal&) { return committed{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const writer_reported&) {},
      [](const tick&) {},
  };
}

/// Runs jobs when the test says so.
class held_jobs : public executor {
public:
  bool submit(std::function<void()> job) override {
    jobs.push_back(std::move(job));
    return true;
  }
  void run() {
    for (auto& job : std::exchange(jobs, {}))
      job();
  }
  std::vector<std::function<void()>> jobs;
};

class response_cache_world : public actor_test {
protected:
  std::shared_ptr<rows> store = std::make_shared<rows>();
  std::shared_ptr<held_jobs> jobs = std::make_shared<held_jobs>();
  std::shared_ptr<wall_time> today =
      std::make_shared<wall_time>(wall_time{std::chrono::seconds{1'700'000'000}});
  call_target_actor fleet = spawn(router);
  journal_actor journal = spawn(journal_of);
  call_sink_actor evaluation_a = spawn(asker);
  call_sink_actor evaluation_b = spawn(asker);
  call_sink_actor evaluation_c = spawn(asker);
  response_cache_actor cache;
  call_target_actor
      batches; ///< Stands for the batch desk; nobody, unless a test spawns one before the start.
  uint64_t max_bytes = 1 << 20;
  std::chrono::seconds max_age{3600 * 24};

  cache_reader reader() {
    cache_reader out;
    out.find = [store = store](const std::vector<std::string>& questions) {
      std::vector<std::optional<storage::cached_answer>> found(questions.size());
      for (size_t i = 0; i < questions.size(); ++i) {
        ++store->reads;
        const auto row = store->committed.find(storage::cached_answer_row(questions[i]));
        if (row == store->committed.end())
          continue;
        if (auto value = storage::decode_cached_answer(row->second))
          found[i] = std::move(*value);
      }
      return found;
    };
    out.count = [store = store] {
      cache_counted news;
      for (const auto& [key, value] : store->committed)
        if (const auto place = storage::parse_cache_order_row(key)) {
          ++news.answers;
          news.bytes += place->bytes;
        }
      return news;
    };
    out.oldest = [store = store](size_t limit) {
      cache_oldest_found news;
      for (const auto& [key, value] : store->committed)
        if (const auto place = storage::parse_cache_order_row(key); place && news.entries.size() < limit)
          news.entries.push_back({place->question, place->used_at, place->bytes});
      return news;
    };
    return out;
  }

  void start() {
    response_cache_config config;
    config.router = fleet;
    config.journal = journal;
    config.workers = jobs;
    config.read = reader();
    config.find_provider = [](const provider_id& id) -> std::optional<provider_identity> {
      if (id.value == "unknown")
        return std::nullopt;
      return provider_identity{wire_protocol::openai_chat, "https://" + id.value};
    };
    config.max_bytes = max_bytes;
    config.max_age = max_age;
    config.removed_at_once = 4;
    config.wall = [today = today] { return *today; };
    config.batches = batches;
    cache = spawn(response_cache, config);
  }

  lane lane_of(run_id run, cache_use use = cache_use::use) {
    lane out;
    out.run = run;
    out.provider = provider_id{"p"};
    out.model = model_id{"m"};
    out.cache = use;
    return out;
  }

  call_sink_actor sink_of(run_id run) {
    return run == run_a ? evaluation_a : run == run_b ? evaluation_b : evaluation_c;
  }

  void open(run_id run, cache_use use = cache_use::use) {
    if (!cache)
      start();
    tell(cache, open_lane{lane_of(run, use), sink_of(run)});
    jobs->run();
    run_all();
  }

  void run_all() { run(); }

  void ask_call(run_id run, uint64_t id, std::string_view question, uint32_t repetition = 0,
                bool stream = false) {
    call_batch batch{lane_of(run), {}, sink_of(run)};
    auto& request = batch.calls.emplace_back();
    request.id = call_id{id};
    request.messages.push_back({chat_role::user, shared_text{question}});
    request.repetition = repetition;
    request.stream = stream;
    tell(cache, std::move(batch));
  }

  call_outcome answered(uint64_t id, std::string_view text) {
    call_outcome out;
    out.id = call_id{id};
    out.answer = shared_text{text};
    out.finish = finish_reason::stop;
    out.usage = {10, 20, 0, 0};
    out.cost = money{5'000};
    out.served_model = "m-1";
    out.http_status = 200;
    return out;
  }

  void answer(run_id run, uint64_t id, std::string_view text) {
    tell(cache, call_outcome_batch{run, {answered(id, text)}});
  }

  void fail(run_id run, uint64_t id, errc code = errc::provider_unavailable) {
    call_outcome out;
    out.id = call_id{id};
    out.error = fault{code, "it failed", {}, {}};
    tell(cache, call_outcome_batch{run, {out}});
  }

  /// Makes durable what has been appended.
  void commit() {
    auto& waiting = state_of<held_commits>(journal).waiting;
    while (!waiting.empty()) {
      const auto message = waiting.front();
      waiting.pop_front();
      store->apply(message.batch);
      caf::anon_send(message.owner, committed{message.batch.watermark, 0, std::nullopt});
      run();
      jobs->run();
      run();
    }
  }

  void pass(std::chrono::seconds time) { *today += time; }

  router_state& at_router() { return state_of<router_state>(fleet); }
  asker_state& at(run_id run) { return state_of<asker_state>(sink_of(run)); }
  response_cache_state& state() { return state_of<response_cache_state>(cache); }

  uint64_t stored_answers() { return reader().count().answers; }
};

} // namespace assay::test
