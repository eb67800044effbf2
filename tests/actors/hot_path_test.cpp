#include "tests/actors/farm_world.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

/// A program of its own, because it measures the memory of its whole process. How many calls it makes stands
/// in ASSAY_HOT_PATH_CALLS; without it, a million.

// AddressSanitizer keeps freed memory for a while to catch late uses; a quarter of a gigabyte of it would
// hide a leak. NOLINTNEXTLINE(bugprone-reserved-identifier): the name is the sanitizer's
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}

namespace assay {
namespace {

using test::fake_wire;
using namespace std::chrono_literals;

uint64_t calls_to_make() {
  const char* wish = std::getenv("ASSAY_HOT_PATH_CALLS");
  uint64_t calls = 1'000'000;
  if (wish) {
    const std::string_view text{wish};
    std::from_chars(text.data(), text.data() + text.size(), calls);
  }
  return calls;
}

/// Anonymous memory of this process: what malloc and stacks really hold.
uint64_t anonymous_kib() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:"))
      return std::strtoull(line.c_str() + std::strlen("RssAnon:"), nullptr, 10);
  return 0;
}

/// Answers at once. One call in a hundred fails first, so that retries take part too.
class instant_wire final : public transport {
public:
  explicit instant_wire(transport_sink sink) : sink_(std::move(sink)) {}

  void submit(std::vector<http_request> requests) override {
    http_turn turn;
    turn.outcomes.reserve(requests.size());
    for (const auto& request : requests)
      turn.outcomes.push_back(++sent_ % 100 == 0 ? fake_wire::failure(request.id, 503)
                                                 : fake_wire::answer(request.id, "right"));
    sink_(std::move(turn));
  }
  void cancel(std::vector<uint64_t>) override {}
  void grant(std::vector<http_credit>) override {}
  void close() override {}
  size_t open_sockets() const override { return 1; }

private:
  transport_sink sink_;
  uint64_t sent_ = 0;
};

/// Commits at once and keeps the newest record of each run, nothing of the samples.
class forgetful_store final : public batch_writer {
public:
  result<void> submit(uint64_t ticket, append_batch&& batch) override {
    responses += batch.responses.size();
    samples += batch.samples.size();
    writer_reported report;
    auto& done = report.tickets.emplace_back();
    done.ticket = ticket;
    for (auto& record : batch.runs)
      runs[record.spec.id] = std::move(record);
    for (auto& value : batch.events) {
      value.seq = done.last_seq = ++seq_;
      done.events.push_back(std::move(value));
    }
    if (const auto journal = caf::actor_cast<journal_actor>(journal_))
      caf::anon_send(journal, std::move(report));
    return {};
  }

  void report_to(const journal_actor& journal) override { journal_ = journal.address(); }

  uint64_t responses = 0;
  uint64_t samples = 0;
  std::map<run_id, run_record> runs;

private:
  uint64_t seq_ = 0;
  caf::actor_addr journal_;
};

/// As many samples as the run wants, made as they are read.
class endless_worker final : public run_worker {
public:
  explicit endless_worker(test::fake_store& nothing) : plan_(test::fake_worker{nothing}.plan()) {}

  run_recovered recover(const run_record& record) override {
    record_ = record;
    run_recovered out;
    out.record = record;
    out.record.progress.total = record.spec.total_samples();
    out.done_by_task.assign(1, 0);
    return out;
  }
  std::shared_ptr<const run_plan> plan() const override { return plan_; }
  samples_loaded next_page(size_t limit) override {
    samples_loaded out;
    const auto count = record_.spec.tasks.front().sample_count;
    for (; next_ < count && out.samples.size() < limit; ++next_) {
      auto& sample = out.samples.emplace_back();
      sample.address.sample = static_cast<uint32_t>(next_);
      sample.messages.push_back({chat_role::user, shared_text{"question " + std::to_string(next_)}});
      sample.target = shared_text{"right"};
    }
    out.end = next_ >= count;
    return out;
  }
  result_computed summarise(const run_record&) override { return {"{}", std::nullopt}; }

private:
  run_record record_;
  std::shared_ptr<const run_plan> plan_;
  uint64_t next_ = 0;
};

struct counting_listener_state {
  uint64_t frames = 0;
};

event_sink_actor::behavior_type
counting_listener(event_sink_actor::stateful_pointer<counting_listener_state> self) {
  return {[self](const frame_batch& batch) { self->state.frames += batch.frames.size(); }};
}

class hot_path : public test::farm_world {
protected:
  std::shared_ptr<forgetful_store> books = std::make_shared<forgetful_store>();

  root_supervisor_config busy_config() {
    cap = 256;
    limits.requests_per_minute = 4'000'000'000U;
    limits.tokens_per_minute = 4'000'000'000U;
    auto out = config();
    out.journal.writer = books;
    out.providers.child.open_transport = [](const provider_profile&,
                                            transport_sink sink) -> result<std::unique_ptr<transport>> {
      return std::make_unique<instant_wire>(std::move(sink));
    };
    out.runs.child.make_worker = [this] { return std::make_shared<endless_worker>(*store); };
    out.runs.read.open_runs = [] { return result<std::vector<run_record>>{}; };
    out.runs.read.find_run = [this](run_id id) -> result<std::optional<run_record>> {
      const auto found = books->runs.find(id);
      return found == books->runs.end() ? std::optional<run_record>{} : found->second;
    };
    return out;
  }

  /// Works for @p steps messages, then lets ten milliseconds pass, so that every periodic duty runs as well.
  void work(size_t steps) {
    while (steps-- > 0 && sched.try_run_once()) {
    }
    sched.advance_time(10ms);
    wall += 10ms;
  }

  provider_state& the_state(const farm_handles& farm) {
    auto& supervisor = state_of<provider_supervisor_state>(farm.providers);
    return state_of<provider_state>(supervisor.children_by_id.at(test::the_provider).handle);
  }

  void expect_nothing_left(const farm_handles& farm) {
    auto& provider = the_state(farm);
    EXPECT_TRUE(provider.calls.empty());
    EXPECT_TRUE(provider.lanes.empty());
    EXPECT_TRUE(provider.wheel->empty());
    EXPECT_LE(provider.wheel->pool_size(), 4'096u);
    ASSERT_EQ(provider.models.size(), 1u);
    auto& model = *provider.models.begin()->second;
    EXPECT_EQ(model.waiting(), 0u);
    auto& gate = model.gates.front();
    EXPECT_EQ(gate.in_use(), 0u);
    EXPECT_EQ(gate.window.in_flight(), 0u);
    auto& limiter = state_of<rate_limiter_state>(gate.limiter);
    EXPECT_TRUE(limiter.waiting.empty());
    EXPECT_EQ(limiter.limits->slots_in_use(), 0u);
    auto& router = state_of<model_router_state>(farm.router);
    EXPECT_TRUE(router.calls.empty());
    EXPECT_TRUE(router.lanes.empty());
    auto& journal = state_of<journal_state>(farm.journal);
    EXPECT_TRUE(journal.open.empty());
    EXPECT_TRUE(journal.waiting.empty());
    auto& runs = state_of<run_supervisor_state>(farm.runs);
    EXPECT_TRUE(runs.runs.empty());
    EXPECT_TRUE(runs.submissions.empty());
    EXPECT_LE(sched.clock().schedule().size(), 8u) << "timers of answered calls";
  }
};

TEST_F(hot_path, AMillionCallsLeaveNothingBehind) {
  const auto calls = calls_to_make();
  const auto warm = calls / 10;
  start_farm(busy_config());
  const auto farm = handles();
  const auto ear = spawn(counting_listener);
  // Nothing is asked from here on: an answer is awaited until nobody has work, so until the run is over.
  caf::anon_send(farm.runs, submit_run{request(calls), user_id{"ann"}, ""});
  while (books->runs.empty())
    work(1);
  const auto id = books->runs.begin()->first;
  caf::anon_send(farm.event_hub, subscribe{id, ear});
  while (books->samples < warm)
    work(2'000);
  const auto before = anonymous_kib();
  ASSERT_GT(before, 0u);
  while (!is_final(books->runs[id].state) && !escalation)
    work(2'000);
  const auto after = anonymous_kib();
  advance(3s, 100ms);
  EXPECT_FALSE(escalation.has_value());
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).progress.done, calls);
  EXPECT_EQ(find(id).progress.failed, 0u);
  EXPECT_EQ(books->samples, calls);
  EXPECT_EQ(books->responses, calls);
  EXPECT_GT(the_state(farm).models.begin()->second->retried, calls / 200);
  expect_nothing_left(farm);
  EXPECT_GT(state_of<counting_listener_state>(ear).frames, 0u);
  RecordProperty("anonymous_kib_at_a_tenth", std::to_string(before));
  RecordProperty("anonymous_kib_at_the_end", std::to_string(after));
  // A hundred bytes a call over nine tenths of a million calls are 88 MiB.
  const uint64_t allowed = 16 * 1'024;
  EXPECT_LE(after, before + allowed) << "KiB, " << calls - warm << " calls later";
}

} // namespace
} // namespace assay
