// Starts the same small program bare and in the sandbox, in turns, one at a time, and prints how long each
// took from its start to its known end.
//
//   sandbox_speed LAUNCHER RUNS
//
// Prints one JSON object: milliseconds of each start, or `unavailable` with the reason.
#include "io/runtime.hpp"
#include "io/sandbox.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <utility>

namespace {

using namespace assay;
using clock_type = std::chrono::steady_clock;

constexpr const char* program = "/usr/bin/true";

double milliseconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - begin).count();
}

double bare() {
  const auto begin = clock_type::now();
  std::string name = program;
  std::array<char*, 2> arguments{name.data(), nullptr};
  std::array<char*, 1> nothing{nullptr};
  pid_t child = 0;
  int status = 0;
  if (::posix_spawn(&child, program, nullptr, nullptr, arguments.data(), nothing.data()) != 0
      || ::waitpid(child, &status, 0) != child || status != 0)
    return -1;
  return milliseconds_since(begin);
}

sandbox_result run(io::io_runtime& runtime, const io::sandbox_options& options, const sandbox_job& job) {
  const auto over = std::make_shared<std::promise<sandbox_result>>();
  auto result = over->get_future();
  const auto handle = io::run_in_sandbox(runtime, options, job, 0,
                                         [over](sandbox_result found) { over->set_value(std::move(found)); });
  return result.get();
}

nlohmann::json measure(io::io_runtime& runtime, const io::sandbox_options& options, int runs) {
  const auto found = io::findings_from(run(runtime, options, io::look_around()));
  if (!found.available)
    return {{"unavailable", to_string(found.reason)}};
  sandbox_job job;
  job.id = 1;
  job.command = {"true"};
  nlohmann::json out{{"bare_ms", nlohmann::json::array()}, {"sandbox_ms", nlohmann::json::array()}};
  for (int i = 0; i < runs; ++i) {
    const double alone = bare();
    const auto begin = clock_type::now();
    const auto ended = run(runtime, options, job);
    const double inside = milliseconds_since(begin);
    if (alone < 0 || ended.error || ended.end != sandbox_end::exited || ended.exit_code != 0)
      return {
          {"failed", ended.error ? to_string(*ended.error) : std::string("the program did not end well")}};
    out["bare_ms"].push_back(alone);
    out["sandbox_ms"].push_back(inside);
  }
  return out;
}

} // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: sandbox_speed LAUNCHER RUNS\n";
    return 2;
  }
  io::io_runtime runtime{"sandbox-speed"};
  runtime.start();
  io::sandbox_options options;
  options.launcher = arguments[1];
  const auto out = measure(runtime, options, std::atoi(arguments[2]));
  runtime.stop();
  runtime.join();
  std::cout << out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return out.contains("failed") ? 1 : 0;
}
