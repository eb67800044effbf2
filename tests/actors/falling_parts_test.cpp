#include "tests/actors/evaluation_world.hpp"
#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

#include <deque>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;

/// Stands for the sandbox's processes: keeps programs until the test ends them.
class held_programs {
public:
  sandbox_runner_factory factory() {
    return [this](sandbox_runner_sink sink) {
      deliver_ = std::move(sink);
      return std::make_unique<port>(*this);
    };
  }

  /// Lets the oldest program end well, when there is one.
  void end_one() {
    if (!running.empty())
      end(running.front());
  }

  std::deque<uint64_t> running; ///< Tickets.

private:
  class port final : public sandbox_runner {
  public:
    explicit port(held_programs& all) : all_(all) {}
    ~port() override { all_.running.clear(); }
    port(const port&) = delete;
    port& operator=(const port&) = delete;

    void start(const sandbox_job& job, uint32_t) override {
      all_.running.push_back(job.id);
      if (job.command == examination().command)
        all_.end(job.id);
    }
    void kill(uint64_t ticket) override { all_.end(ticket); }
    sandbox_job examination() const override {
      sandbox_job out;
      out.command = {"look"};
      return out;
    }
    findings read_examination(const sandbox_result&) const override {
      findings out;
      out.available = true;
      return out;
    }

  private:
    held_programs& all_;
  };

  void end(uint64_t ticket) {
    if (std::erase(running, ticket) == 0)
      return;
    sandbox_result out;
    out.id = ticket;
    deliver_(std::move(out));
  }

  sandbox_runner_sink deliver_;
};

/// Stands for Python's processes: they say hello by themselves and keep jobs until the test answers.
class held_python {
public:
  python_worker_factory factory() {
    return [this](const python_worker_purpose&,
                  python_worker_handlers handlers) -> result<std::unique_ptr<python_worker_process>> {
      return std::make_unique<worker>(*this, std::move(handlers));
    };
  }

  /// Answers the oldest job, when there is one.
  void answer_one() {
    if (jobs.empty())
      return;
    const auto next = jobs.front();
    jobs.pop_front();
    next.owner->answer(next.id, "{}");
  }

  class worker final : public python_worker_process {
  public:
    worker(held_python& all, python_worker_handlers handlers) : all_(all), handlers_(std::move(handlers)) {}
    ~worker() override { forget(); }
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    void send(uint64_t id, std::string_view operation, const shared_text&) override {
      if (operation == "hello")
        answer(id, R"({"protocol":1,"python":"3.11.2","jinja2":"3.1.2"})");
      else
        all_.jobs.push_back({this, id});
    }
    void kill() override {
      forget();
      handlers_.on_end("killed");
    }
    void answer(uint64_t id, std::string_view text) { handlers_.on_reply({id, shared_text{text}, {}}); }

  private:
    void forget() {
      std::erase_if(all_.jobs, [this](const job& one) { return one.owner == this; });
    }

    held_python& all_;
    python_worker_handlers handlers_;
  };

  struct job {
    worker* owner = nullptr;
    uint64_t id = 0;
  };

  std::deque<job> jobs;
};

/// Parts that most runs can do without fall while a run is under way; whoever needs one finds its successor.
class falling_parts : public farm_world {
protected:
  root_supervisor_config base;
  test::evaluation_script script; ///< Of runs that are scored outside.
  held_programs programs;
  held_python python;

  falling_parts() {
    cap = 3;
    base = config();
  }

  /// Answers are scored by what @p job makes; whatever comes back of it is worth one.
  void score_by(scoring_job job) {
    script.add_scorers = [job](task_plan& task) {
      task.scorers.push_back(nullptr);
      task.score.scorers.push_back({1, true});
      auto scorer = std::make_unique<test::scripted_scorer>();
      scorer->wants = [job](const answer_to_score&) { return std::vector{job}; };
      scorer->makes = [](std::span<const scoring_reply> replies) -> result<std::vector<score_value>> {
        if (replies.front().error)
          return *replies.front().error;
        return std::vector{score_value{1, 1, {}}};
      };
      task.outside.push_back(std::move(scorer));
    };
    base.runs.child.make_worker = [this] { return std::make_shared<test::scripted_worker>(*store, script); };
  }

  /// A run of twelve samples, of which five are answered and three are out.
  run_id begin() {
    start_farm(base);
    const auto id = submit(12);
    for (int i = 0; i < 5; ++i) {
      wire.answer_next("right");
      run();
    }
    return id;
  }

  void expect_completion(run_id id, size_t samples = 12) {
    advance(2s);
    for (int i = 0; i < 300 && !is_final(find(id).state); ++i) {
      wire.answer_next("right");
      programs.end_one();
      python.answer_one();
      advance(100ms);
    }
    const auto record = find(id);
    EXPECT_EQ(record.state, run_state::completed);
    EXPECT_EQ(record.progress.done, samples);
    EXPECT_EQ(scored(id), samples);
    EXPECT_FALSE(escalation.has_value());
  }

  void keep_ab_tests() {
    base.ab_tests.workers = workers;
    base.ab_tests.wall = [this] { return wall; };
    base.ab_tests.read.tests = [this] {
      ab_tests_recalled out;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("ab_tests/"))
          out.records.push_back(text);
      return out;
    };
    base.ab_tests.read.observations = [this](const std::string& prefix, const auto& send) {
      ab_observations_recalled out;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("ab_observations/" + prefix))
          out.rows.push_back(text);
      out.last = true;
      send(std::move(out));
    };
  }

  result<ab_answer> ab(ab_verb verb, const std::string& body = {}) {
    ask_ab_test wish;
    wish.verb = verb;
    wish.test = "t";
    wish.body = body;
    wish.who = user_id{"ann"};
    return ask<ab_answer>(handles().ab_tests, wish);
  }

  /// An observation is on its way to the store when @p find_victim's actor falls: it counts, and so does all
  /// that comes after it.
  template <class Victim>
  void an_ab_test_survives(Victim find_victim) {
    keep_ab_tests();
    const auto id = begin();
    const std::string seen = R"({"variant":"a","quality":0.5})";
    ASSERT_TRUE(ab(
        ab_verb::create,
        R"({"test_id":"t","variants":{"a":{"temperature":0.1},"b":{"temperature":0.9}},"minimum_samples":10})"));
    ASSERT_TRUE(ab(ab_verb::start));
    ASSERT_TRUE(ab(ab_verb::observe, seen));
    store->hold = true;
    EXPECT_FALSE(ab(ab_verb::observe, seen)) << "not before it is durable";
    kill(find_victim());
    store->hold = false;
    store->commit();
    advance(2s);
    EXPECT_TRUE(ab(ab_verb::observe, seen));
    const auto shown = ab(ab_verb::show);
    ASSERT_TRUE(shown);
    EXPECT_THAT(shown->text, testing::HasSubstr(R"("total_samples":3)"));
    expect_completion(id);
    EXPECT_EQ(wire.bodies.size(), 12u) << "no call of a run is repeated for it";
  }
};

TEST_F(falling_parts, Sandbox) {
  sandbox_job job;
  job.command = {"python3", "test.py"};
  score_by(job);
  base.sandbox.open_runner = programs.factory();
  const auto id = begin();
  programs.end_one();
  run();
  ASSERT_EQ(scored(id), 1u);
  ASSERT_FALSE(programs.running.empty());
  kill(handles().sandbox);
  EXPECT_TRUE(programs.running.empty()) << "its programs end with it";
  expect_completion(id);
  EXPECT_LE(wire.bodies.size(), 12u + 3u) << "at most the calls in flight are repeated";
}

TEST_F(falling_parts, PythonHost) {
  python_job job;
  job.operation = "score";
  job.arguments = shared_text{"{}"};
  job.folder = "/tasks/a";
  score_by(job);
  base.python.start_worker = python.factory();
  const auto id = begin();
  python.answer_one();
  run();
  ASSERT_EQ(scored(id), 1u);
  ASSERT_FALSE(python.jobs.empty());
  kill(handles().python);
  EXPECT_TRUE(python.jobs.empty()) << "its workers end with it";
  expect_completion(id);
  EXPECT_LE(wire.bodies.size(), 12u + 3u) << "at most the calls in flight are repeated";
}

TEST_F(falling_parts, WebhookPoster) {
  test::fake_wire hooks;
  base.monitor.webhooks.urls = {"http://hooks.test/"};
  base.monitor.webhooks.open_transport = hooks.factory();
  const auto id = begin();
  const auto& monitor = state_of<monitor_state>(handles().monitor);
  kill(monitor.poster);
  EXPECT_FALSE(monitor.poster);
  expect_completion(id);
  advance(6s, 50ms);
  EXPECT_TRUE(monitor.poster);
  EXPECT_EQ(hooks.opened, 2u);
  EXPECT_EQ(wire.bodies.size(), 12u) << "no call is repeated";
  kill(root);
}

TEST_F(falling_parts, Preparer) {
  base.runs.find_unprepared = [this](const run_request& wish) -> result<std::vector<tasks::preparation>> {
    std::vector<tasks::preparation> missing;
    if (wish.limit != 7U)
      return missing;
    // What the preparer wants done waits, so that it is there to fall.
    workers->hold = true;
    missing.emplace_back();
    return missing;
  };
  const auto id = begin();
  auto pending = self->request(handles().runs, caf::infinite, submit_run{request(7), user_id{"ann"}, ""});
  run();
  const auto& runs = state_of<run_supervisor_state>(handles().runs);
  ASSERT_EQ(runs.preparers.size(), 1u);
  const auto victim = runs.preparers.begin()->first;
  kill(victim);
  EXPECT_TRUE(runs.preparers.empty());
  EXPECT_TRUE(runs.submissions.empty());
  ASSERT_FALSE(self->mailbox().empty()) << "whoever submitted hears of it at once";
  pending.receive([](const run_submitted&) { ADD_FAILURE(); },
                  [](const caf::error& reason) { EXPECT_EQ(to_fault(reason).code, errc::actor_lost); });
  workers->hold = false;
  workers->held.clear();
  expect_completion(id);
  expect_completion(submit(6), 6);
  EXPECT_EQ(wire.bodies.size(), 18u) << "no call is repeated";
}

TEST_F(falling_parts, AbTestSupervisor) {
  an_ab_test_survives([this] { return handles().ab_tests; });
}

TEST_F(falling_parts, AbTest) {
  an_ab_test_survives(
      [this] { return state_of<ab_test_supervisor_state>(handles().ab_tests).tests.at("t").child; });
}

TEST_F(falling_parts, Gateway) {
  const auto id = begin();
  const auto before = handles();
  kill(before.gateway);
  expect_completion(id);
  EXPECT_NE(handles().gateway, before.gateway);
  EXPECT_EQ(wire.bodies.size(), 12u) << "no call of a run is repeated for it";
}

TEST_F(falling_parts, BatchDesk) {
  const auto id = begin();
  const auto before = handles();
  kill(before.batches);
  expect_completion(id);
  EXPECT_NE(handles().batches, before.batches);
  EXPECT_LE(wire.bodies.size(), 12u + 3u) << "at most the calls in flight are repeated";
}

} // namespace
} // namespace assay
