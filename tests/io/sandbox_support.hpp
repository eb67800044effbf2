#pragma once

#include "io/runtime.hpp"
#include "io/sandbox.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace assay::io::test {

inline constexpr seconds patience{60};

/// Who starts the sandbox: whoever runs the tests, or nobody in particular when that is root.
enum class starter : uint8_t { as_it_is, as_a_user };

inline std::string name_of(const ::testing::TestParamInfo<starter>& info) {
  return info.param == starter::as_it_is ? "as_it_is" : "as_a_user";
}

/// Real sandboxes. Skips where there can be none, and says why.
class sandbox_test : public ::testing::TestWithParam<starter> {
protected:
  io_runtime runtime{"sandbox-test"};
  std::filesystem::path folder; ///< Readable for everybody, as a data folder should not be.
  sandbox_options options;

  void SetUp() override {
    const bool root = ::geteuid() == 0;
    if (GetParam() == starter::as_a_user && !root)
      GTEST_SKIP() << "the tests run as a user already";
    auto pattern = (std::filesystem::temp_directory_path() / "assay-sandbox-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    std::filesystem::permissions(folder, std::filesystem::perms{0755});
    // The folder of the build may be closed to the user that starts it.
    std::filesystem::copy_file(ASSAY_LAUNCH, folder / "assay-launch");
    options.launcher = (folder / "assay-launch").string();
    if (const char* other = std::getenv("ASSAY_TEST_BWRAP"))
      options.bwrap = other;
    if (GetParam() == starter::as_a_user)
      start_as_a_user();
    runtime.start();
    const auto found = findings_from(run(look_around()));
    if (!found.available)
      GTEST_SKIP() << "no sandbox here: " << to_string(found.reason);
  }

  void TearDown() override {
    runtime.stop();
    runtime.join();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  static sandbox_job shell(std::string script) {
    sandbox_job out;
    out.id = 7;
    out.command = {"sh", "-c", std::move(script)};
    return out;
  }

  static sandbox_job python(std::string script) {
    sandbox_job out;
    out.id = 7;
    out.command = {"python3", "program.py"};
    out.files.push_back({"program.py", shared_text(script)});
    return out;
  }

  struct started {
    std::future<sandbox_result> result;
    std::shared_ptr<sandbox_run> handle;

    sandbox_result wait() {
      if (result.wait_for(patience) != std::future_status::ready) {
        ADD_FAILURE() << "the job has not ended";
        return {};
      }
      return result.get();
    }
  };

  started start(const sandbox_job& job) {
    auto over = std::make_shared<std::promise<sandbox_result>>();
    started out;
    out.result = over->get_future();
    out.handle = run_in_sandbox(runtime, options, job, 0,
                                [over](sandbox_result result) { over->set_value(std::move(result)); });
    return out;
  }

  sandbox_result run(const sandbox_job& job) { return start(job).wait(); }

  /// Runs what must be possible. @returns what it printed.
  std::string output_of(const sandbox_job& job) {
    const auto result = run(job);
    EXPECT_FALSE(result.error) << to_string(*result.error);
    EXPECT_EQ(result.end, sandbox_end::exited) << to_string(result.end) << "\n" << result.err.view();
    return result.out.str();
  }

  /// A time to sleep, in seconds, that no other test on this machine sleeps.
  static std::string nap(int seconds) { return std::to_string(seconds) + "." + std::to_string(::getpid()); }

  /// @returns whether a program with @p word in its command line runs on this machine.
  static bool runs(const std::string& word) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
      std::ifstream file(entry.path() / "cmdline", std::ios::binary);
      const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      if (text.find(word) != std::string::npos)
        return true;
    }
    return false;
  }

  /// Waits until no such program runs any more.
  static bool is_gone(const std::string& word) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (runs(word))
      if (std::chrono::steady_clock::now() > give_up)
        return false;
    return true;
  }

private:
  void start_as_a_user() {
    const auto wrapper = folder / "launch-as-a-user";
    std::ofstream(wrapper) << "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "
                           << options.launcher << " \"$@\"\n";
    std::filesystem::permissions(wrapper, std::filesystem::perms{0755});
    options.launcher = wrapper.string();
  }
};

} // namespace assay::io::test
