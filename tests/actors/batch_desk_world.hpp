#pragma once

#include "actors/fleet/batch_desk.hpp"
#include "actors/monitoring/monitor.hpp"
#include "tests/actors/response_cache_world.hpp"

/// A batch desk between askers, a router, a journal, a store and a provider that the test moves by hand.
namespace assay::test {

/// What the desk has sent to its provider, and the way back.
struct provider_script {
  std::deque<http_request> waiting; ///< Not answered yet, oldest first.
  std::vector<std::string> targets; ///< Of all that was ever sent.
  std::vector<std::string> keys;    ///< What each of them was sent with.
  std::vector<std::string> closed;  ///< Keys whose transports have ended.
  std::vector<uint64_t> cancelled;
  transport_sink deliver;
};

class scripted_wire final : public transport {
public:
  scripted_wire(std::shared_ptr<provider_script> script, std::string key)
      : script_(std::move(script)), key_(std::move(key)) {}
  void submit(std::vector<http_request> requests) override {
    for (auto& request : requests) {
      script_->targets.push_back(request.target);
      script_->keys.push_back(key_);
      script_->waiting.push_back(std::move(request));
    }
  }
  void cancel(std::vector<uint64_t> ids) override {
    script_->cancelled.insert(script_->cancelled.end(), ids.begin(), ids.end());
  }
  void grant(std::vector<http_credit>) override {}
  void close() override { script_->closed.push_back(key_); }
  size_t open_sockets() const override { return 0; }

private:
  std::shared_ptr<provider_script> script_;
  std::string key_;
};

/// Stands for an evaluation; also hears how much is in batches.
struct batch_asker_state {
  std::vector<call_outcome> outcomes;
  std::vector<lane_credit> credits;
};

inline call_sink_actor::behavior_type batch_asker(call_sink_actor::stateful_pointer<batch_asker_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [self](const lane_credit& credit) { self->state.credits.push_back(credit); },
      [](const call_delta&) {},
      [](const calls_on_the_wire&) {},
  };
}

class batch_desk_world : public actor_test {
protected:
  std::shared_ptr<rows> store = std::make_shared<rows>();
  std::shared_ptr<held_jobs> jobs = std::make_shared<held_jobs>();
  std::shared_ptr<provider_script> provider = std::make_shared<provider_script>();
  std::shared_ptr<wall_time> today =
      std::make_shared<wall_time>(wall_time{std::chrono::seconds{1'700'000'000}});
  call_target_actor fleet = spawn(router);
  journal_actor journal = spawn(journal_of);
  call_sink_actor evaluation = spawn(batch_asker);
  monitor_actor watching = spawn(monitor, monitor_config{});
  batch_desk_actor desk;
  budget_keeper_actor budgets; ///< Nobody, unless the test spawns one before it starts the desk.
  provider_profile profile = openai();

  static provider_profile openai() {
    provider_profile out;
    out.id = provider_id{"p"};
    out.dialect = api_dialect::openai;
    out.base_url = "https://api.openai.com/v1";
    out.key = secret{"k"};
    out.batches.available = true;
    return out;
  }

  static provider_profile anthropic() {
    provider_profile out;
    out.id = provider_id{"p"};
    out.protocol = wire_protocol::anthropic;
    out.base_url = "https://api.anthropic.com";
    out.key = secret{"k"};
    out.batches.available = true;
    return out;
  }

  void start() {
    batch_desk_config config;
    config.router = fleet;
    config.journal = journal;
    config.monitor = watching;
    config.budgets = budgets;
    config.workers = jobs;
    config.open_transport = [script = provider](const provider_profile& given,
                                                transport_sink sink) -> result<std::unique_ptr<transport>> {
      script->deliver = std::move(sink);
      return std::make_unique<scripted_wire>(script, given.key.reveal());
    };
    config.providers = {profile};
    config.find_profile = [this](const provider_id&) { return std::optional{profile}; };
    config.recall = [store = store]() -> result<std::vector<std::pair<std::string, std::string>>> {
      std::vector<std::pair<std::string, std::string>> found;
      for (const auto& [key, text] : store->committed)
        if (key.find('|') == std::string::npos) // Rows of the budget keeper have one.
          found.emplace_back(key, text);
      return found;
    };
    config.wall = [today = today] { return *today; };
    desk = spawn(batch_desk, config);
    settle();
  }

  /// Runs actors and workers until nothing is left to do now.
  void settle() {
    run();
    while (!jobs->jobs.empty()) {
      jobs->run();
      run();
    }
  }

  void pass(std::chrono::milliseconds time) {
    *today += time;
    advance(time, 500ms);
    settle();
  }

  lane lane_of(run_id run) {
    lane out;
    out.run = run;
    out.provider = provider_id{"p"};
    out.model = model_id{"m"};
    out.prices = token_prices{1.0, 2.0, {}};
    out.way = call_way::batch;
    return out;
  }

  void open(run_id run = run_a) {
    if (!desk)
      start();
    tell(desk, open_lane{lane_of(run), evaluation});
    settle();
  }

  void ask_call(uint64_t id, std::string_view question, run_id run = run_a) {
    call_batch batch{lane_of(run), {}, evaluation};
    auto& request = batch.calls.emplace_back();
    request.id = call_id{id};
    request.messages.push_back({chat_role::user, shared_text{question}});
    request.parameters.max_tokens = 16;
    tell(desk, std::move(batch));
    settle();
  }

  /// Makes durable what has been appended.
  void commit() {
    auto& waiting = state_of<held_commits>(journal).waiting;
    while (!waiting.empty()) {
      const auto message = waiting.front();
      waiting.pop_front();
      store->apply(message.batch);
      caf::anon_send(message.owner, committed{message.batch.watermark, 0, std::nullopt});
      settle();
    }
  }

  /// @returns the oldest request without an answer; an empty one when there is none.
  http_request asked() {
    if (provider->waiting.empty()) {
      ADD_FAILURE() << "nothing was sent to the provider";
      return {};
    }
    auto request = std::move(provider->waiting.front());
    provider->waiting.pop_front();
    return request;
  }

  void reply(const http_request& to, int status, std::string_view body) {
    http_outcome outcome;
    outcome.id = to.id;
    outcome.status = status;
    outcome.body = shared_text(body);
    outcome.request_written = true;
    provider->deliver({{}, {outcome}});
    settle();
  }

  /// The connection broke after the request had been written.
  void lose(const http_request& to) {
    http_outcome outcome;
    outcome.id = to.id;
    outcome.error = errc::truncated_answer;
    outcome.error_message = "the connection ended";
    outcome.request_written = true;
    provider->deliver({{}, {outcome}});
    settle();
  }

  /// Asks two questions and brings their batch to where the intent is durable.
  void ask_two() {
    open();
    ask_call(1, "2+2?");
    ask_call(2, "3+3?");
    pass(6s);
    commit();
  }

  /// What the monitor has counted of the one model.
  model_statistics counted() {
    const auto found = ask<statistics>(watching, read_statistics{});
    return found && !found->models.empty() ? found->models.front() : model_statistics{};
  }

  batch_desk_state::chunk& the_batch() { return state().chunks.begin()->second; }
  std::string name_of(uint32_t row) { return codecs::batch_custom_id(the_batch().label, row); }

  std::string openai_row(uint32_t row, std::string_view text) {
    return R"({"id":"r","custom_id":")" + name_of(row)
           + R"(","response":{"status_code":200,"request_id":"q","body":{"id":"c","object":"chat.completion","model":"m-1",)"
           + R"("choices":[{"index":0,"message":{"role":"assistant","content":")" + std::string(text)
           + R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":1000,"total_tokens":2000}}},"error":null})"
           + "\n";
  }

  std::string openai_batch(std::string_view status, std::string_view more = {}) {
    return R"({"id":"batch_1","object":"batch","status":")" + std::string(status)
           + R"(","created_at":1700000006,"request_counts":{"total":2,"completed":0,"failed":0})"
           + std::string(more) + "}";
  }

  std::string labelled() {
    return R"(,"metadata":{"assay_run":")" + the_batch().label.run + R"(","assay_chunk":")"
           + the_batch().label.chunk + R"("})";
  }

  /// From the durable intent to a batch that the provider works on.
  void make_batch() {
    const auto upload = asked();
    EXPECT_EQ(upload.target, "/files");
    reply(upload, 200, R"({"id":"file-1","object":"file","purpose":"batch","status":"processed"})");
    pass(1500ms);
    const auto create = asked();
    EXPECT_EQ(create.target, "/batches");
    reply(create, 200, openai_batch("validating"));
    commit();
  }

  void end_batch(std::string_view more, std::string_view status = "completed") {
    pass(8s);
    const auto poll = asked();
    EXPECT_EQ(poll.target, "/batches/batch_1");
    reply(poll, 200, openai_batch(status, more));
    pass(1500ms);
  }

  void restart() {
    kill(desk);
    desk = batch_desk_actor{};
    provider->waiting.clear();
    provider->targets.clear();
    start();
  }

  batch_desk_state& state() { return state_of<batch_desk_state>(desk); }
  batch_asker_state& at_asker() { return state_of<batch_asker_state>(evaluation); }
  router_state& at_router() { return state_of<router_state>(fleet); }
  std::map<uint64_t, call_outcome> outcomes() {
    std::map<uint64_t, call_outcome> out;
    for (const auto& one : at_asker().outcomes)
      out[one.id.value] = one;
    return out;
  }
};

} // namespace assay::test
