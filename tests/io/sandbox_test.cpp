#include "tests/io/sandbox_support.hpp"

#include <csignal>
#include <utility>

namespace assay::io {
namespace {

using test::starter;

class sandbox : public test::sandbox_test {};

INSTANTIATE_TEST_SUITE_P(started, sandbox, ::testing::Values(starter::as_it_is, starter::as_a_user),
                         test::name_of);

TEST_P(sandbox, runs_a_program_with_files_and_input) {
  auto job = shell("pwd; cat input.txt deep/er/file; cat; echo wrong >&2; exit 3");
  job.files = {{"input.txt", shared_text("one\n")}, {"deep/er/file", shared_text("two\n")}};
  job.input = shared_text("three\n");
  const auto result = run(job);
  ASSERT_FALSE(result.error) << to_string(*result.error);
  EXPECT_EQ(result.id, 7U);
  EXPECT_EQ(result.out.view(), "/box/work\none\ntwo\nthree\n");
  EXPECT_EQ(result.err.view(), "wrong\n");
  EXPECT_EQ(result.end, sandbox_end::exited);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_GT(result.peak_memory_bytes, 100'000U);
  EXPECT_GT(result.wall, milliseconds{0});
}

TEST_P(sandbox, tells_the_signal_that_ended_a_program) {
  const auto result = run(shell("kill -SEGV $$"));
  EXPECT_EQ(result.end, sandbox_end::signalled);
  EXPECT_EQ(result.signal, SIGSEGV);
}

TEST_P(sandbox, counts_the_time_of_children) {
  const auto result = run(shell("sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'"));
  EXPECT_EQ(result.end, sandbox_end::exited);
  EXPECT_GT(result.cpu, milliseconds{10});
}

TEST_P(sandbox, runs_the_languages_of_tasks) {
  EXPECT_EQ(
      output_of(python("import json, tempfile\nopen(tempfile.mkstemp()[1], 'w').write('x')\nprint(6 * 7)\n")),
      "42\n");
  const auto there = [](const char* program) { return ::access(program, X_OK) == 0; };
  if (there("/usr/bin/node")) {
    auto job = shell("");
    job.command = {"node", "-e", "console.log(6 * 7)"};
    EXPECT_EQ(output_of(job), "42\n");
  }
  if (there("/usr/bin/g++")) {
    auto job = shell("g++ -std=c++17 -O1 -o program program.cpp && ./program");
    job.files = {
        {"program.cpp", shared_text("#include <iostream>\nint main() { std::cout << 6 * 7 << '\\n'; }\n")}};
    EXPECT_EQ(output_of(job), "42\n");
  }
}

TEST_P(sandbox, gives_processes_of_python_what_they_share_their_work_with) {
  EXPECT_EQ(output_of(python("import multiprocessing\nif __name__ == '__main__':\n"
                             "    print(multiprocessing.Pool(2).map(abs, [-1, 2]))\n")),
            "[1, 2]\n");
}

TEST_P(sandbox, keeps_jobs_that_run_at_the_same_time_apart) {
  auto first = start(shell("echo mine > file; sleep 0.2; ls; ls /tmp"));
  auto second = start(shell("echo mine > other; sleep 0.2; ls; ls /tmp"));
  EXPECT_EQ(first.wait().out.view(), "file\n");
  EXPECT_EQ(second.wait().out.view(), "other\n");
}

TEST_P(sandbox, says_which_program_is_missing) {
  auto job = shell("");
  job.command = {"no-such-program"};
  const auto result = run(job);
  ASSERT_TRUE(result.error);
  EXPECT_NE(result.error->message.find("no-such-program"), std::string::npos) << result.error->message;
}

TEST_P(sandbox, refuses_files_that_do_not_fit) {
  auto job = shell("echo run");
  job.files = {{"large", shared_text(std::string(3'000'000, 'x'))}};
  job.limits.disk_bytes = uint64_t{1} << 20;
  const auto result = run(job);
  ASSERT_TRUE(result.error);
  EXPECT_NE(result.error->message.find("do not fit"), std::string::npos) << result.error->message;
  EXPECT_EQ(result.out.view(), "");
}

TEST_P(sandbox, is_withdrawn_when_nobody_holds_it) {
  auto one = start(shell("sleep " + nap(567)));
  one.handle.reset();
  const auto result = one.wait();
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.end, sandbox_end::withdrawn);
  EXPECT_TRUE(is_gone(nap(567)));
}

TEST_P(sandbox, runs_nothing_without_bubblewrap) {
  options.bwrap = "/no/such/bwrap";
  const auto result = run(shell("echo run"));
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, errc::unsupported);
  EXPECT_NE(result.error->hint.find("bubblewrap"), std::string::npos) << result.error->hint;
  EXPECT_EQ(result.out.view(), "");
}

TEST_P(sandbox, runs_nothing_without_its_launcher) {
  options.launcher = "/no/such/launcher";
  const auto result = run(shell("echo run"));
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, errc::unsupported);
  EXPECT_NE(result.error->hint.find("assay-launch"), std::string::npos) << result.error->hint;
}

TEST_P(sandbox, finds_out_which_limits_hold) {
  const auto found = findings_from(run(look_around()));
  EXPECT_TRUE(found.available) << to_string(found.reason);
  EXPECT_GE(found.limits.size(), 7U);
}

TEST_P(sandbox, holds_a_worker_that_speaks_over_its_pipes) {
  std::filesystem::create_directory(folder / "task");
  std::ofstream(folder / "task" / "rows") << "rows\n";
  sandbox_worker worker;
  worker.command = {"sh", "-c",
                    "cat /task/rows own; echo $WORD; (: > /task/new) 2> /dev/null && echo written; "
                    "while read line; do echo \"got $line\"; done"};
  worker.environment = {"WORD=word"};
  worker.read = {{(folder / "task").string(), "/task"}};
  worker.files = {{"own", shared_text("own\n")}};
  worker.limits.wall = worker.limits.cpu = milliseconds{0};
  auto started = options_for(options, worker, 0);
  ASSERT_TRUE(started);

  std::string out;
  std::string report;
  std::promise<process_end> over;
  process_handlers handlers;
  handlers.on_output = [&](std::string_view piece) { out += piece; };
  handlers.on_report = [&](std::string_view piece) { report += piece; };
  handlers.on_end = [&](const process_end& end) { over.set_value(end); };
  const auto program = process::start(runtime, std::move(*started), std::move(handlers));
  EXPECT_TRUE(program->write(shared_text("first\n")));
  EXPECT_TRUE(program->write(shared_text("second\n")));
  program->close_input();
  auto ended = over.get_future();
  ASSERT_EQ(ended.wait_for(test::patience), std::future_status::ready);
  EXPECT_EQ(out, "rows\nown\nword\ngot first\ngot second\n");
  EXPECT_NE(report.find("end exited 0"), std::string::npos) << report;
}

// -- what is concluded from looking around -----------------------------------------------------------------

sandbox_result seen(std::string_view replaced = {}, std::string_view by = {}) {
  std::string out = "Uid:\t64600\t64600\t64600\t64600\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
                    "NoNewPrivs:\t1\nSeccomp:\t2\nprocesses: 61\nnetwork: 1\nfirst: assay-launch\n"
                    "system: read-only\nfiles: hidden\n";
  if (!replaced.empty())
    out.replace(out.find(replaced), replaced.size(), by);
  sandbox_result result;
  result.out = shared_text(out);
  return result;
}

TEST(sandbox_findings_test, need_every_defence) {
  EXPECT_TRUE(findings_from(seen()).available);
  const std::vector<std::pair<std::string, std::string>> holes{
      {"Uid:\t64600", "Uid:\t0"},         {"CapEff:\t0000000000000000", "CapEff:\t0000000000000001"},
      {"CapBnd:\t0000", "CapBnd:\t0001"}, {"NoNewPrivs:\t1", "NoNewPrivs:\t0"},
      {"Seccomp:\t2", "Seccomp:\t0"},     {"processes: 61", "processes: unlimited"},
      {"network: 1", "network: 2"},       {"first: assay-launch", "first: systemd"},
      {"read-only", "writable"},          {"hidden", "seen"},
      {"system: read-only\n", ""}};
  for (const auto& [replaced, by] : holes) {
    const auto found = findings_from(seen(replaced, by));
    EXPECT_FALSE(found.available) << replaced;
    EXPECT_EQ(found.reason.code, errc::unsupported);
    EXPECT_TRUE(found.limits.empty());
  }
}

TEST(sandbox_findings_test, pass_on_why_there_is_no_sandbox) {
  sandbox_result result;
  result.error = fault{errc::unsupported, "no sandbox: bwrap: no", {}, "mend it"};
  const auto found = findings_from(result);
  EXPECT_FALSE(found.available);
  EXPECT_EQ(found.reason, *result.error);
}

} // namespace
} // namespace assay::io
