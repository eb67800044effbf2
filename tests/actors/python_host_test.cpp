#include "actors/hosts/python_host.hpp"
#include "tests/support/actor_fixture.hpp"

#include "core/values/metrics.hpp"

#include <algorithm>

namespace assay::test {
namespace {

using namespace std::chrono_literals;

struct sink_state {
  std::vector<python_result> results;
  size_t messages = 0;
};

python_sink_actor::behavior_type sink(python_sink_actor::stateful_pointer<sink_state> self) {
  return {[self](const python_results& batch) {
    ++self->state.messages;
    for (const auto& one : batch.results)
      self->state.results.push_back(one);
  }};
}

/// Stands for a process: the test says what becomes of it.
struct fake_process {
  struct sent {
    uint64_t id = 0;
    std::string operation;
    std::string arguments;
  };

  python_worker_purpose purpose;
  python_worker_handlers handlers;
  std::vector<sent> jobs; ///< Without hello.
  bool greeted = false;
  bool killed = false;
  bool ended = false;

  void end(const std::string& how) {
    if (!std::exchange(ended, true))
      handlers.on_end(how);
  }
  void answer(const std::string& value) { handlers.on_reply({jobs.back().id, shared_text(value), {}}); }
  void answer(fault reason) { handlers.on_reply({jobs.back().id, {}, std::move(reason)}); }
};

class fake_worker final : public python_worker_process {
public:
  fake_worker(std::shared_ptr<fake_process> data, std::optional<std::string> hello)
      : data_(std::move(data)), hello_(std::move(hello)) {}
  ~fake_worker() override { data_->ended = true; }

  void send(uint64_t id, std::string_view operation, const shared_text& arguments) override {
    if (operation != "hello")
      return data_->jobs.push_back({id, std::string(operation), arguments.str()});
    data_->greeted = true;
    if (hello_)
      data_->handlers.on_reply({id, shared_text(*hello_), {}});
  }
  void kill() override {
    data_->killed = true;
    data_->end("killed");
  }

private:
  std::shared_ptr<fake_process> data_;
  std::optional<std::string> hello_;
};

class python_host_test : public actor_test {
protected:
  std::vector<std::shared_ptr<fake_process>> processes;
  std::optional<fault> refusal;
  std::optional<std::string> hello = R"({"protocol":1,"python":"3.11.2","jinja2":"3.1.2"})";
  python_host_config config;
  python_host_actor host;
  python_sink_actor asker = spawn(sink);

  void start() {
    config.machine = [] {
      host_state out;
      out.available = true;
      out.limits = {"memory"};
      return out;
    };
    config.start_worker =
        [this](const python_worker_purpose& purpose,
               python_worker_handlers handlers) -> result<std::unique_ptr<python_worker_process>> {
      if (refusal)
        return *refusal;
      auto data = std::make_shared<fake_process>();
      data->purpose = purpose;
      data->handlers = std::move(handlers);
      processes.push_back(data);
      return std::make_unique<fake_worker>(data, hello);
    };
    host = spawn(python_host, config);
    run();
  }

  static python_job job(uint64_t id, std::string folder = "/tasks/a") {
    python_job out;
    out.id = id;
    out.operation = "score";
    out.arguments = shared_text(R"({"n":)" + std::to_string(id) + "}");
    out.folder = std::move(folder);
    out.deadline = 10s;
    return out;
  }

  void submit(std::vector<python_job> jobs, const python_sink_actor& from) {
    run_python wish{std::move(jobs), from};
    tell(host, std::move(wish));
  }
  void submit(std::vector<python_job> jobs) { submit(std::move(jobs), asker); }

  const std::vector<python_result>& results() { return state_of<sink_state>(asker).results; }
  python_host_state& inside() { return state_of<python_host_state>(host); }

  double gauge_of(metric family) {
    const auto heard = ask<gauges>(host, read_gauges{});
    for (const auto& one : heard->values)
      if (one.family == family)
        return one.value;
    return -1;
  }
};

TEST_F(python_host_test, StartsAWorkerWhenThereIsWorkAndGivesItTheNextJobToo) {
  start();
  EXPECT_TRUE(processes.empty()) << "nobody has asked for anything";
  submit({job(7)});
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0]->purpose, (python_worker_purpose{"/tasks/a", false}));
  ASSERT_EQ(processes[0]->jobs.size(), 1u);
  EXPECT_EQ(processes[0]->jobs[0].operation, "score");
  EXPECT_EQ(processes[0]->jobs[0].arguments, R"({"n":7})");
  processes[0]->answer(R"({"items":[]})");
  run();
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].id, 7u);
  EXPECT_EQ(results()[0].value.view(), R"({"items":[]})");
  EXPECT_FALSE(results()[0].error);
  submit({job(8)});
  EXPECT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0]->jobs.size(), 2u);
}

TEST_F(python_host_test, NoMoreWorkersThanAllowedAndOneJobAtATimeOnEach) {
  start();
  submit({job(1), job(2), job(3)});
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[0]->jobs.size() + processes[1]->jobs.size(), 2u);
  EXPECT_EQ(gauge_of(metric::python_busy_workers), 2);
  EXPECT_EQ(gauge_of(metric::python_waiting_jobs), 1);
  processes[0]->answer("{}");
  run();
  EXPECT_EQ(processes[0]->jobs.size(), 2u);
  EXPECT_EQ(gauge_of(metric::python_waiting_jobs), 0);
}

TEST_F(python_host_test, FoldersAndUploadsDoNotShareWorkers) {
  config.workers = 3;
  start();
  submit({job(1)});
  processes[0]->answer("{}");
  run();
  auto uploaded = job(2);
  uploaded.uploaded = true;
  submit({std::move(uploaded), job(3, "/tasks/b")});
  ASSERT_EQ(processes.size(), 3u);
  EXPECT_TRUE(processes[1]->purpose.uploaded);
  EXPECT_EQ(processes[2]->purpose.folder, "/tasks/b");
  EXPECT_EQ(processes[0]->jobs.size(), 1u);
}

TEST_F(python_host_test, AnIdleWorkerMakesRoomForAnotherFolder) {
  config.workers = 1;
  start();
  submit({job(1)});
  processes[0]->answer("{}");
  run();
  submit({job(2, "/tasks/b")});
  EXPECT_TRUE(processes[0]->killed);
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[1]->jobs.size(), 1u);
  EXPECT_EQ(gauge_of(metric::python_crashes_total), 0) << "that was no crash";
}

TEST_F(python_host_test, WorkOfOneFolderDoesNotKeepAnothersWaitingForEver) {
  config.workers = 1;
  start();
  submit({job(1), job(2), job(3), job(4, "/tasks/b"), job(5), job(6)});
  for (int i = 0; i < 3; ++i) {
    processes[0]->answer("{}");
    run();
  }
  EXPECT_EQ(processes.size(), 1u) << "work for the worker that is there goes first";
  advance(1100ms);
  processes[0]->answer("{}");
  run();
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[1]->purpose.folder, "/tasks/b");
}

TEST_F(python_host_test, AnErrorOfTheTasksCodeIsAnsweredWithItsTraceback) {
  start();
  submit({job(1)});
  processes[0]->answer(fault{errc::template_failed, "KeyError: 'q'\nTraceback ...", "", "columns are: a"});
  run();
  ASSERT_TRUE(results().at(0).error);
  EXPECT_EQ(results()[0].error->code, errc::template_failed);
  EXPECT_NE(results()[0].error->message.find("Traceback"), std::string::npos);
  EXPECT_EQ(results()[0].error->hint, "columns are: a");
  EXPECT_FALSE(processes[0]->killed);
}

TEST_F(python_host_test, ACrashGivesTheWorkToAnotherWorkerOnce) {
  start();
  submit({job(1)});
  processes[0]->end("it was killed by a signal: Killed");
  run();
  EXPECT_TRUE(results().empty());
  advance(200ms);
  ASSERT_EQ(processes.size(), 2u);
  ASSERT_EQ(processes[1]->jobs.size(), 1u);
  processes[1]->answer("{}");
  run();
  ASSERT_EQ(results().size(), 1u);
  EXPECT_FALSE(results()[0].error);
  EXPECT_EQ(gauge_of(metric::python_crashes_total), 1);
}

TEST_F(python_host_test, WorkThatCrashesTwoWorkersFailsAndNamesHow) {
  start();
  submit({job(1)});
  processes[0]->end("it exited with code 1");
  advance(200ms);
  processes.at(1)->end("it exited with code 9");
  run();
  ASSERT_EQ(results().size(), 1u);
  ASSERT_TRUE(results()[0].error);
  EXPECT_EQ(results()[0].error->code, errc::scorer_failed);
  EXPECT_NE(results()[0].error->message.find("code 9"), std::string::npos);
  EXPECT_EQ(gauge_of(metric::python_waiting_jobs), 0);
}

TEST_F(python_host_test, TheWorkOfACrashGoesBeforeWhatHasWaitedBehindIt) {
  config.workers = 1;
  start();
  submit({job(1), job(2)});
  processes[0]->end("gone");
  advance(200ms);
  ASSERT_EQ(processes.size(), 2u);
  ASSERT_EQ(processes[1]->jobs.size(), 1u);
  EXPECT_EQ(processes[1]->jobs[0].arguments, R"({"n":1})");
}

TEST_F(python_host_test, WhatTakesTooLongIsKilledAndOthersAreNot) {
  start();
  auto slow = job(1);
  slow.deadline = 2s;
  submit({std::move(slow), job(2)});
  ASSERT_EQ(processes.size(), 2u);
  advance(2200ms);
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].id, 1u);
  EXPECT_EQ(results()[0].error->code, errc::deadline_exceeded);
  EXPECT_TRUE(processes[0]->killed);
  EXPECT_FALSE(processes[1]->killed);
  processes[1]->answer("{}");
  run();
  EXPECT_EQ(results().size(), 2u);
  EXPECT_EQ(gauge_of(metric::python_crashes_total), 0);
}

TEST_F(python_host_test, NoJobHasMoreTimeThanTheHostAllows) {
  config.longest_job = 3s;
  start();
  submit({job(1)});
  advance(3200ms);
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].error->code, errc::deadline_exceeded);
}

TEST_F(python_host_test, AFullLineAnswersBusy) {
  config.workers = 1;
  config.most_waiting = 2;
  start();
  submit({job(1)});
  submit({job(2), job(3), job(4)});
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].id, 4u);
  EXPECT_EQ(results()[0].error->code, errc::busy);
}

TEST_F(python_host_test, TooManyBytesInTheLineAnswerBusyToo) {
  config.workers = 1;
  config.most_waiting_bytes = 10;
  start();
  submit({job(1)});
  submit({job(2), job(3)});
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].error->code, errc::busy);
}

TEST_F(python_host_test, WithdrawnJobsAreNotAnsweredAndARunningOneIsKilled) {
  config.workers = 1;
  start();
  submit({job(1), job(2), job(3)});
  tell(host, withdraw_python_jobs{{1, 2}});
  EXPECT_TRUE(processes[0]->killed);
  ASSERT_EQ(processes.size(), 2u);
  ASSERT_EQ(processes[1]->jobs.size(), 1u);
  EXPECT_EQ(processes[1]->jobs[0].arguments, R"({"n":3})");
  processes[1]->answer("{}");
  run();
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].id, 3u);
}

TEST_F(python_host_test, AWithdrawalTakesNothingFromOthersWithTheSameNumbers) {
  start();
  const auto other = spawn(sink);
  submit({job(1)});
  submit({job(1)}, other);
  caf::send_as(caf::actor_cast<caf::actor>(other), host, withdraw_python_jobs{{1}});
  run();
  EXPECT_FALSE(processes[0]->killed);
  EXPECT_TRUE(processes[1]->killed);
}

TEST_F(python_host_test, JobsOfASinkThatEndsAreWithdrawn) {
  config.workers = 1;
  start();
  const auto other = spawn(sink);
  submit({job(1), job(2)}, other);
  submit({job(3)});
  kill(other);
  EXPECT_TRUE(processes[0]->killed);
  ASSERT_EQ(processes.size(), 2u);
  ASSERT_EQ(processes[1]->jobs.size(), 1u);
  EXPECT_EQ(processes[1]->jobs[0].arguments, R"({"n":3})");
  EXPECT_EQ(inside().watched_sinks.size(), 1u);
}

TEST_F(python_host_test, WatchesASinkOnceAndNoLongerThanItWaits) {
  start();
  for (uint64_t id = 1; id <= 50; ++id) {
    submit({job(id)});
    processes[0]->answer("{}");
    run();
  }
  ASSERT_EQ(results().size(), 50u);
  EXPECT_TRUE(inside().watched_sinks.empty());
  caf::anon_send_exit(asker, caf::exit_reason::kill);
  EXPECT_LT(run(), 10u) << "a watch for each job would bring fifty notices";
}

TEST_F(python_host_test, WorkersThatCrashAgainAndAgainAreNotStartedForEver) {
  config.workers = 1;
  start();
  std::vector<python_job> many;
  for (uint64_t id = 1; id <= 50; ++id)
    many.push_back(job(id));
  submit(std::move(many));
  for (int i = 0; i < 200 && results().size() < 50; ++i) {
    processes.back()->end("it exited with code 1");
    advance(100ms);
  }
  EXPECT_EQ(results().size(), 50u);
  EXPECT_LE(processes.size(), config.limits.intensity + 1);
  for (const auto& one : results())
    EXPECT_EQ(one.error->code, errc::scorer_failed);
  submit({job(51)});
  EXPECT_EQ(results().back().error->code, errc::busy) << "for a while";
  submit({job(52, "/tasks/good")});
  EXPECT_EQ(processes.back()->purpose.folder, "/tasks/good") << "other folders do not notice";
  advance(31s, 100ms);
  submit({job(53)});
  EXPECT_EQ(processes.back()->purpose.folder, "/tasks/a");
}

TEST_F(python_host_test, WorkersThatDoNotStartFailTheWorkAndTheHostSaysWhy) {
  hello.reset();
  start();
  submit({job(1)});
  for (int i = 0; i < 200 && results().empty(); ++i) {
    processes.back()->end("no such file");
    advance(100ms);
  }
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].error->code, errc::unsupported);
  const auto said = ask<host_state>(host, read_host_state{});
  ASSERT_TRUE(said.has_value());
  EXPECT_FALSE(said->available);
  EXPECT_NE(said->reason.find("no such file"), std::string::npos);
}

TEST_F(python_host_test, AWorkerThatDoesNotSayHelloIsGivenUp) {
  hello.reset();
  start();
  submit({job(1)});
  advance(29s, 100ms);
  EXPECT_FALSE(processes[0]->ended);
  advance(1500ms);
  EXPECT_TRUE(processes[0]->ended);
  EXPECT_GT(processes.size(), 1u);
}

TEST_F(python_host_test, AWorkerOfAnotherVersionOrWithoutJinjaGetsNoWork) {
  for (const auto* wrong : {R"({"protocol":2,"jinja2":"3"})", R"({"protocol":1,"jinja2":null})", "[]"}) {
    hello = wrong;
    processes.clear();
    start();
    submit({job(1)});
    EXPECT_TRUE(processes[0]->jobs.empty()) << wrong;
    EXPECT_FALSE(ask<host_state>(host, read_host_state{})->available) << wrong;
    kill(host);
  }
}

TEST_F(python_host_test, WherePythonMayNotRunTheReasonIsPassedOn) {
  refusal = fault{errc::unsupported, "there is no sandbox", "python", "install bubblewrap"};
  start();
  submit({job(1)});
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(*results()[0].error, *refusal);
}

TEST_F(python_host_test, WhatIsNotReadyYetIsWaitedFor) {
  refusal = fault{errc::busy, "the sandbox is being tried", "python", ""};
  start();
  submit({job(1)});
  EXPECT_TRUE(results().empty());
  refusal.reset();
  advance(200ms);
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0]->jobs.size(), 1u);
}

TEST_F(python_host_test, OperationsAreWordsAndNothingElse) {
  start();
  auto odd = job(1);
  odd.operation = R"(score","x":"y)";
  submit({std::move(odd)});
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].error->code, errc::invalid_argument);
  EXPECT_TRUE(processes.empty());
}

TEST_F(python_host_test, IdleWorkersEndAndThenNothingTicks) {
  config.idle = 5s;
  start();
  submit({job(1)});
  processes[0]->answer("{}");
  run();
  advance(4s, 100ms);
  EXPECT_FALSE(processes[0]->killed);
  advance(2s, 100ms);
  EXPECT_TRUE(processes[0]->killed);
  EXPECT_EQ(gauge_of(metric::python_workers), 0);
  EXPECT_FALSE(inside().ticking);
}

TEST_F(python_host_test, TheEndOfTheHostEndsItsWorkers) {
  start();
  submit({job(1)});
  kill(host);
  EXPECT_TRUE(processes[0]->ended);
}

TEST_F(python_host_test, SaysHowManyWorkAndWait) {
  config.workers = 1;
  start();
  submit({job(1), job(2)});
  const auto said = ask<host_state>(host, read_host_state{});
  ASSERT_TRUE(said.has_value());
  EXPECT_TRUE(said->available);
  EXPECT_EQ(said->workers, 1u);
  EXPECT_EQ(said->busy, 1u);
  EXPECT_EQ(said->waiting, 1u);
  EXPECT_EQ(said->limits, std::vector<std::string>{"memory"});
}

TEST_F(python_host_test, AHostWithoutPythonSaysSo) {
  host = spawn(python_host, python_host_config{});
  run();
  submit({job(1)});
  EXPECT_EQ(results().at(0).error->code, errc::unsupported);
  EXPECT_FALSE(ask<host_state>(host, read_host_state{})->available);
}

} // namespace
} // namespace assay::test
