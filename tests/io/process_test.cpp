#include "io/process.hpp"

#include "io/runtime.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>

namespace assay::io {
namespace {

constexpr seconds patience{60};

struct seen {
  std::string out;
  std::string err;
  std::string report;
  process_end end;
};

class program : public ::testing::Test {
protected:
  io_runtime runtime{"process-test"};

  void SetUp() override { runtime.start(); }

  static process_options shell(std::string script) {
    process_options out;
    out.command = {"/bin/sh", "-c", std::move(script)};
    out.environment = {"PATH=/usr/bin:/bin"};
    return out;
  }

  /// A program and what it said; `then` runs when it has ended.
  struct started {
    std::shared_ptr<seen> told = std::make_shared<seen>();
    std::shared_ptr<std::promise<void>> over = std::make_shared<std::promise<void>>();
    std::shared_ptr<process> handle;

    seen wait() {
      if (over->get_future().wait_for(patience) != std::future_status::ready)
        ADD_FAILURE() << "it has not ended";
      return *told;
    }
  };

  started start(process_options options, std::function<void(std::string_view)> also_on_output = {}) {
    started out;
    process_handlers handlers;
    handlers.on_output = [told = out.told, also_on_output](std::string_view piece) {
      told->out += piece;
      if (also_on_output)
        also_on_output(piece);
    };
    handlers.on_error = [told = out.told](std::string_view piece) { told->err += piece; };
    handlers.on_report = [told = out.told](std::string_view piece) { told->report += piece; };
    handlers.on_end = [told = out.told, over = out.over](const process_end& end) {
      told->end = end;
      over->set_value();
    };
    out.handle = process::start(runtime, std::move(options), std::move(handlers));
    return out;
  }

  /// The same for a script that says "up" first; returns when it has.
  started start_and_see_it_run(process_options options) {
    std::promise<void> up;
    auto out = start(std::move(options), [&up, first = true](std::string_view) mutable {
      if (std::exchange(first, false))
        up.set_value();
    });
    EXPECT_EQ(up.get_future().wait_for(patience), std::future_status::ready);
    return out;
  }

  seen run(process_options options) { return start(std::move(options)).wait(); }
};

TEST_F(program, tells_what_it_wrote_and_how_it_ended) {
  const auto told = run(shell("echo out; echo err >&2; exit 3"));
  EXPECT_FALSE(told.end.error);
  EXPECT_EQ(told.out, "out\n");
  EXPECT_EQ(told.err, "err\n");
  EXPECT_EQ(told.end.exit_code, 3);
  EXPECT_EQ(told.end.signal, 0);
}

TEST_F(program, tells_the_signal_that_ended_it) {
  const auto told = run(shell("kill -TERM $$"));
  EXPECT_EQ(told.end.signal, SIGTERM);
}

TEST_F(program, gets_its_input_and_then_the_end_of_it) {
  auto options = shell("cat; echo done");
  options.input = shared_text(std::string(300'000, 'x'));
  const auto told = run(std::move(options));
  EXPECT_EQ(told.out, std::string(300'000, 'x') + "done\n");
}

TEST_F(program, may_leave_its_input_unread) {
  auto options = shell("exit 0");
  options.input = shared_text(std::string(3'000'000, 'x'));
  EXPECT_EQ(run(std::move(options)).end.exit_code, 0);
}

TEST_F(program, speaks_back_and_forth_for_as_long_as_it_lives) {
  auto options =
      shell("while read line; do echo \"got $line\"; [ \"$line\" = last ] && exit 0; done; exit 9");
  options.keep_input_open = true;
  std::shared_ptr<process> handle;
  std::mutex guard;
  std::unique_lock held(guard);
  auto one = start(std::move(options), [&](std::string_view piece) {
    const std::lock_guard lock(guard);
    if (piece != "got first\n")
      return;
    EXPECT_TRUE(handle->write(shared_text("last\n")));
  });
  handle = one.handle;
  held.unlock();
  EXPECT_TRUE(one.handle->write(shared_text("first\n")));
  const auto told = one.wait();
  EXPECT_EQ(told.out, "got first\ngot last\n");
  EXPECT_EQ(told.end.exit_code, 0);
}

TEST_F(program, ends_when_its_input_does) {
  auto options = shell("cat");
  options.keep_input_open = true;
  auto one = start(std::move(options));
  EXPECT_TRUE(one.handle->write(shared_text("text")));
  one.handle->close_input();
  EXPECT_EQ(one.wait().out, "text");
}

TEST_F(program, takes_only_so_much_that_waits) {
  auto options = shell("echo up; sleep 600");
  options.keep_input_open = true;
  options.max_unwritten = size_t{1} << 20;
  auto one = start_and_see_it_run(std::move(options));
  EXPECT_TRUE(one.handle->write(shared_text(std::string(1'000'000, 'x'))));
  EXPECT_FALSE(one.handle->write(shared_text(std::string(1'000'000, 'x'))));
  one.handle->kill();
  EXPECT_EQ(one.wait().end.signal, SIGKILL);
}

TEST_F(program, is_read_only_as_far_as_its_window) {
  auto options = shell("head -c 1000000 /dev/zero");
  options.window = 1'000;
  std::promise<void> filled;
  size_t bytes = 0;
  std::shared_ptr<process> handle;
  auto one = start(std::move(options), [&](std::string_view piece) {
    bytes += piece.size();
    EXPECT_LE(piece.size(), 1'000U);
    if (bytes == 1'000)
      filled.set_value();
  });
  ASSERT_EQ(filled.get_future().wait_for(patience), std::future_status::ready);
  // What is posted later runs later: nothing more was read in between.
  std::promise<size_t> later;
  runtime.post([&] { later.set_value(bytes); });
  EXPECT_EQ(later.get_future().get(), 1'000U);
  one.handle->grant(1'000'000);
  std::promise<void> read_on;
  runtime.post([&] { read_on.set_value(); });
  read_on.get_future().wait();
  one.handle->kill();
  one.wait();
}

TEST_F(program, is_killed_with_its_whole_group) {
  auto one = start_and_see_it_run(shell("sleep 600 & sleep 600 & echo up; wait"));
  one.handle->kill();
  // The others hold its stdout; it would stay open for ten minutes if they lived.
  EXPECT_EQ(one.wait().end.signal, SIGKILL);
}

TEST_F(program, is_killed_when_nobody_holds_it) {
  auto one = start_and_see_it_run(shell("echo up; sleep 600"));
  one.handle.reset();
  EXPECT_EQ(one.wait().end.signal, SIGKILL);
}

TEST_F(program, takes_those_it_left_behind_with_it) {
  auto options = shell("sleep 600 > /dev/null 2>&1 &");
  // The one it leaves holds this way out; were it not killed, this would take longer than the test's
  // patience.
  options.with_report = true;
  options.linger = seconds{600};
  EXPECT_EQ(run(std::move(options)).end.exit_code, 0);
}

TEST_F(program, does_not_wait_for_who_left_its_group_and_holds_its_output) {
  auto options = shell("setsid sleep 70 & exit 4");
  options.linger = milliseconds{50};
  EXPECT_EQ(run(std::move(options)).end.exit_code, 4);
}

TEST_F(program, killed_before_it_starts_never_does) {
  std::promise<void> hold;
  runtime.post([held = hold.get_future().share()] { held.wait(); });
  auto one = start(shell("echo started"));
  one.handle->kill();
  hold.set_value();
  const auto told = one.wait();
  ASSERT_TRUE(told.end.error);
  EXPECT_EQ(told.end.error->code, errc::cancelled);
  EXPECT_EQ(told.out, "");
}

TEST_F(program, inherits_no_variable_and_no_file) {
  ::setenv("ASSAY_TEST_SECRET", "leaked", 1);
  const int leaking = ::open("/dev/null", O_RDONLY); // without O_CLOEXEC
  ASSERT_GE(leaking, 0);
  auto options = shell("echo ${ASSAY_TEST_SECRET-none}; ls /proc/$$/fd | wc -l");
  options.folder = "/usr";
  const auto told = run(std::move(options));
  ::close(leaking);
  ::unsetenv("ASSAY_TEST_SECRET");
  EXPECT_EQ(told.out, "none\n3\n");
}

TEST_F(program, has_a_folder_a_report_and_an_attachment) {
  auto options = shell("pwd >&3; cat <&4 >&3");
  options.folder = "/usr";
  options.with_report = true;
  auto file = shared_file::in_memory("attached");
  ASSERT_TRUE(file);
  options.attachment = *file;
  const auto told = run(std::move(options));
  EXPECT_EQ(told.report, "/usr\nattached");
  EXPECT_EQ(told.out, "");
}

TEST_F(program, that_does_not_exist_says_so) {
  process_options options;
  options.command = {"/no/such/program"};
  const auto told = run(std::move(options));
  ASSERT_TRUE(told.end.error);
  EXPECT_EQ(told.end.error->code, errc::not_found);
  EXPECT_NE(told.end.error->message.find("/no/such/program"), std::string::npos);
}

TEST_F(program, needs_an_absolute_path) {
  process_options options;
  options.command = {"sh"};
  const auto told = run(std::move(options));
  ASSERT_TRUE(told.end.error);
  EXPECT_EQ(told.end.error->code, errc::invalid_argument);
}

TEST_F(program, ends_with_its_runtime) {
  auto one = start(shell("sleep 600"));
  std::promise<void> begun;
  runtime.post([&] { begun.set_value(); });
  begun.get_future().wait();
  runtime.stop();
  runtime.join();
  EXPECT_EQ(one.wait().end.signal, SIGKILL);
}

TEST_F(program, is_not_started_by_a_runtime_that_has_stopped) {
  runtime.stop();
  auto one = start(shell("sleep 600"));
  runtime.join();
  const auto told = one.wait();
  ASSERT_TRUE(told.end.error);
  EXPECT_EQ(told.end.error->code, errc::shutting_down);
}

TEST_F(program, tells_what_it_used) {
  const auto told = run(shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"));
  EXPECT_GT(told.end.cpu, milliseconds{0});
  EXPECT_GE(told.end.wall + milliseconds{20}, told.end.cpu);
  EXPECT_GT(told.end.peak_memory_bytes, 100'000U);
}

} // namespace
} // namespace assay::io
