#include "actors/hosts/sandbox.hpp"

#include "core/values/metrics.hpp"
#include "tests/support/actor_fixture.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace assay {
namespace {

using namespace std::chrono_literals;

/// Programs that end when the test says so.
class fake_programs {
public:
  struct started {
    sandbox_job job;
    uint32_t slot = 0;
  };

  sandbox_runner_factory factory() {
    return [this](sandbox_runner_sink sink) {
      ++opened;
      deliver = std::move(sink);
      return std::make_unique<port>(*this);
    };
  }

  /// The programs that run, but the one that looks around.
  std::vector<started> jobs() const {
    std::vector<started> out;
    for (const auto& [ticket, one] : running)
      if (one.job.command != std::vector<std::string>{"look"})
        out.push_back(one);
    return out;
  }

  void end(uint64_t ticket, sandbox_result result = {}) {
    result.id = ticket;
    running.erase(ticket);
    deliver(std::move(result));
  }

  std::optional<uint64_t> looking() const {
    for (const auto& [ticket, one] : running)
      if (one.job.command == std::vector<std::string>{"look"})
        return ticket;
    return std::nullopt;
  }

  std::map<uint64_t, started> running; ///< By ticket.
  std::vector<uint64_t> killed;
  size_t opened = 0;
  size_t closed = 0;
  bool works = true; ///< What the next looking around finds.
  sandbox_runner_sink deliver;

private:
  class port final : public sandbox_runner {
  public:
    explicit port(fake_programs& all) : all_(all) {}
    ~port() override { ++all_.closed; }
    port(const port&) = delete;
    port& operator=(const port&) = delete;

    void start(const sandbox_job& job, uint32_t slot) override { all_.running[job.id] = {job, slot}; }
    void kill(uint64_t ticket) override { all_.killed.push_back(ticket); }
    sandbox_job examination() const override {
      sandbox_job out;
      out.command = {"look"};
      return out;
    }
    findings read_examination(const sandbox_result&) const override {
      findings out;
      out.available = all_.works;
      if (all_.works)
        out.limits = {"all of them"};
      else
        out.reason = {errc::unsupported, "no bubblewrap", {}, "install it"};
      return out;
    }

  private:
    fake_programs& all_;
  };
};

struct program_owner_state {
  std::vector<sandbox_result> results;
};

sandbox_sink_actor::behavior_type
program_owner(sandbox_sink_actor::stateful_pointer<program_owner_state> self) {
  return {[self](const sandbox_results& news) {
    for (const auto& one : news.results)
      self->state.results.push_back(one);
  }};
}

class sandbox_actor_test : public test::actor_test {
protected:
  fake_programs programs;
  sandbox_config config;
  std::vector<host_state> told;
  sandbox_actor host;

  sandbox_actor_test() {
    config.open_runner = programs.factory();
    config.workers = 2;
    config.on_state = [this](const host_state& now) { told.push_back(now); };
  }

  /// Starts it, and lets it look around.
  void start() {
    host = spawn(sandbox, config);
    run();
    look();
  }

  void look() {
    const auto ticket = programs.looking();
    ASSERT_TRUE(ticket);
    programs.end(*ticket);
    run();
  }

  void submit(const sandbox_sink_actor& sink, uint64_t first, uint64_t last, sandbox_limits limits = {}) {
    run_in_sandbox wish;
    wish.sink = sink;
    for (auto id = first; id <= last; ++id) {
      sandbox_job job;
      job.id = id;
      job.command = {"program", std::to_string(id)};
      job.limits = limits;
      wish.jobs.push_back(std::move(job));
    }
    tell(host, std::move(wish));
  }

  /// Ends the oldest program. @returns what it was called.
  std::string end_one(sandbox_result result = {}) {
    const auto jobs = programs.jobs();
    if (jobs.empty())
      return {};
    programs.end(jobs.front().job.id, std::move(result));
    run();
    return jobs.front().job.command.at(1);
  }

  void withdraw(const sandbox_sink_actor& sender, std::vector<uint64_t> ids) {
    caf::send_as(caf::actor_cast<caf::actor>(sender), host, withdraw_sandbox_jobs{std::move(ids)});
    run();
  }

  host_state now_there() { return ask<host_state>(host, read_host_state{}).value(); }

  std::vector<sandbox_result>& results_of(const sandbox_sink_actor& sink) {
    return state_of<program_owner_state>(sink).results;
  }

  double value(metric id, const std::vector<std::string>& labels = {}) {
    const auto heard = ask<gauges>(host, read_gauges{}).value();
    for (const auto& one : heard.values)
      if (one.family == id && one.labels == labels)
        return one.value;
    return -1;
  }
};

TEST_F(sandbox_actor_test, AnswersEveryJobWithItsOwnersNumber) {
  start();
  const auto first = spawn(program_owner);
  const auto second = spawn(program_owner);
  submit(first, 7, 7);
  submit(second, 7, 7);
  sandbox_result result;
  result.exit_code = 3;
  result.out = shared_text("out");
  end_one(result);
  ASSERT_EQ(results_of(first).size(), 1U);
  EXPECT_EQ(results_of(first)[0].id, 7U);
  EXPECT_EQ(results_of(first)[0].exit_code, 3);
  EXPECT_EQ(results_of(first)[0].out.view(), "out");
  EXPECT_TRUE(results_of(second).empty());
  end_one();
  ASSERT_EQ(results_of(second).size(), 1U);
  EXPECT_EQ(results_of(second)[0].id, 7U);
}

TEST_F(sandbox_actor_test, RunsOnlySoManyAtOnceEachWithASlotOfItsOwn) {
  start();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 9);
  for (int round = 0; round < 9; ++round) {
    const auto jobs = programs.jobs();
    ASSERT_EQ(jobs.size(), round < 8 ? 2U : 1U);
    std::set<uint32_t> slots;
    for (const auto& one : jobs) {
      slots.insert(one.slot);
      EXPECT_LT(one.slot, 2U);
    }
    EXPECT_EQ(slots.size(), jobs.size());
    EXPECT_EQ(end_one(), std::to_string(round + 1));
  }
  EXPECT_EQ(results_of(sink).size(), 9U);
}

TEST_F(sandbox_actor_test, LetsOwnersTakeTurns) {
  config.workers = 1;
  start();
  const auto many = spawn(program_owner);
  const auto few = spawn(program_owner);
  submit(many, 1, 50);
  submit(few, 100, 101);
  end_one();
  std::vector<std::string> order;
  for (int round = 0; round < 4; ++round)
    order.push_back(end_one());
  EXPECT_NE(std::ranges::find(order, "100"), order.end());
  EXPECT_NE(std::ranges::find(order, "101"), order.end());
}

TEST_F(sandbox_actor_test, RefusesWhatDoesNotFitIntoTheLine) {
  config.most_waiting = 3;
  start();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 2);
  submit(sink, 3, 7);
  ASSERT_EQ(results_of(sink).size(), 2U);
  EXPECT_EQ(results_of(sink)[0].id, 6U);
  ASSERT_TRUE(results_of(sink)[0].error);
  EXPECT_EQ(results_of(sink)[0].error->code, errc::busy);
  EXPECT_EQ(value(metric::sandbox_refused_total), 2);
  EXPECT_EQ(value(metric::sandbox_waiting_jobs), 3);
  for (int round = 0; round < 5; ++round)
    end_one();
  EXPECT_EQ(results_of(sink).size(), 7U);
}

TEST_F(sandbox_actor_test, KillsAndForgetsWhatIsWithdrawn) {
  config.workers = 1;
  start();
  const auto sink = spawn(program_owner);
  const auto other = spawn(program_owner);
  submit(sink, 1, 3);
  submit(other, 1, 3);
  withdraw(sink, {1, 3});
  ASSERT_EQ(programs.killed.size(), 1U);
  // The slot is taken until the program has really ended.
  EXPECT_EQ(programs.jobs().size(), 1U);
  sandbox_result result;
  result.end = sandbox_end::withdrawn;
  EXPECT_EQ(end_one(result), "1");
  EXPECT_TRUE(results_of(sink).empty());
  for (int round = 0; round < 4; ++round)
    end_one();
  ASSERT_EQ(results_of(sink).size(), 1U);
  EXPECT_EQ(results_of(sink)[0].id, 2U);
  EXPECT_EQ(results_of(other).size(), 3U);
}

TEST_F(sandbox_actor_test, WithdrawsTheJobsOfAnOwnerThatEnds) {
  config.workers = 1;
  start();
  const auto sink = spawn(program_owner);
  const auto other = spawn(program_owner);
  submit(sink, 1, 5);
  submit(other, 9, 9);
  kill(sink);
  EXPECT_EQ(programs.killed.size(), 1U);
  EXPECT_EQ(now_there().waiting, 1U);
  EXPECT_EQ(end_one(), "1");
  EXPECT_EQ(end_one(), "9");
  EXPECT_EQ(results_of(other).size(), 1U);
  EXPECT_EQ(now_there().busy, 0U);
}

TEST_F(sandbox_actor_test, GivesUpAProgramThatOutlivesItsTime) {
  config.workers = 1;
  start();
  const auto sink = spawn(program_owner);
  sandbox_limits limits;
  limits.wall = 3s;
  submit(sink, 1, 2, limits);
  advance(12s, 100ms);
  EXPECT_TRUE(results_of(sink).empty());
  EXPECT_TRUE(programs.killed.empty());
  advance(2s, 100ms);
  ASSERT_EQ(results_of(sink).size(), 1U);
  EXPECT_EQ(results_of(sink)[0].id, 1U);
  EXPECT_EQ(results_of(sink)[0].end, sandbox_end::wall_limit);
  ASSERT_EQ(programs.killed.size(), 1U);
  end_one();
  EXPECT_EQ(results_of(sink).size(), 1U) << "it was answered already";
  EXPECT_EQ(programs.jobs().size(), 1U);
}

TEST_F(sandbox_actor_test, SaysThatThereIsNoSandboxAndRunsNothing) {
  programs.works = false;
  host = spawn(sandbox, config);
  run();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 2);
  EXPECT_TRUE(results_of(sink).empty()) << "it waits for what is found";
  look();
  submit(sink, 3, 3);
  ASSERT_EQ(results_of(sink).size(), 3U);
  for (const auto& one : results_of(sink)) {
    ASSERT_TRUE(one.error);
    EXPECT_EQ(one.error->code, errc::unsupported);
    EXPECT_EQ(one.error->message, "no bubblewrap");
    EXPECT_EQ(one.error->hint, "install it");
  }
  EXPECT_TRUE(programs.jobs().empty());
  EXPECT_FALSE(now_there().available);
  EXPECT_NE(now_there().reason.find("no bubblewrap"), std::string::npos);
  EXPECT_EQ(value(metric::sandbox_available), 0);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_FALSE(told[0].available);
}

TEST_F(sandbox_actor_test, LooksAgainAfterAWhile) {
  programs.works = false;
  start();
  advance(50s, 500ms);
  EXPECT_FALSE(programs.looking());
  programs.works = true;
  advance(20s, 500ms);
  look();
  EXPECT_TRUE(now_there().available);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_TRUE(told[1].available);
  EXPECT_EQ(told[1].limits, std::vector<std::string>{"all of them"});
  const auto sink = spawn(program_owner);
  submit(sink, 1, 1);
  EXPECT_EQ(programs.jobs().size(), 1U);
}

TEST_F(sandbox_actor_test, IsOffWhenItIsNotConfigured) {
  config.open_runner = {};
  config.off_because = "sandbox.enabled is false";
  host = spawn(sandbox, config);
  run();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 1);
  ASSERT_EQ(results_of(sink).size(), 1U);
  EXPECT_EQ(results_of(sink)[0].error->message, "sandbox.enabled is false");
  EXPECT_EQ(programs.opened, 0U);
}

TEST_F(sandbox_actor_test, GivesTheConfiguredLimitsToJobsWithoutTheirOwn) {
  config.limits.cpu = 77s;
  start();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 1);
  sandbox_limits own;
  own.processes = 5;
  submit(sink, 2, 2, own);
  const auto jobs = programs.jobs();
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(jobs[0].job.limits, config.limits);
  EXPECT_EQ(jobs[1].job.limits, own);
}

TEST_F(sandbox_actor_test, CountsByEnd) {
  start();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 3);
  sandbox_result result;
  result.end = sandbox_end::memory_limit;
  end_one(result);
  end_one();
  EXPECT_EQ(value(metric::sandbox_running_jobs), 1);
  result.error = fault{errc::internal, "trouble", {}, {}};
  end_one(result);
  EXPECT_EQ(value(metric::sandbox_jobs_total, {"memory_limit"}), 1);
  EXPECT_EQ(value(metric::sandbox_jobs_total, {"exited"}), 1);
  EXPECT_EQ(value(metric::sandbox_jobs_total, {"not_run"}), 1);
  EXPECT_EQ(value(metric::sandbox_workers), 2);
}

TEST_F(sandbox_actor_test, EndsItsProgramsWhenItEnds) {
  start();
  const auto sink = spawn(program_owner);
  submit(sink, 1, 1);
  kill(host);
  host = nullptr;
  run();
  EXPECT_EQ(programs.closed, 1U);
  ASSERT_FALSE(told.empty());
  EXPECT_FALSE(told.back().available);
}

} // namespace
} // namespace assay
