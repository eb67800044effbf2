#include "io/runtime.hpp"

#include <gtest/gtest.h>

#include <future>
#include <pthread.h>

namespace assay::io {
namespace {

TEST(io_runtime, RunsWorkOnItsOwnNamedThread) {
  io_runtime runtime("provider-calls");
  runtime.start();
  runtime.start();
  std::promise<std::string> name;
  runtime.post([&] {
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof text);
    name.set_value(runtime.on_thread() ? text : "another thread");
  });
  EXPECT_EQ(name.get_future().get(), "provider-calls");
  EXPECT_FALSE(runtime.on_thread());
}

TEST(io_runtime, StopsOnceAndRunsItsHooks) {
  io_runtime runtime("x");
  runtime.start();
  int ran = 0;
  const auto withdrawn = runtime.at_stop([&] { ran += 100; });
  runtime.at_stop([&] { ++ran; });
  runtime.forget(withdrawn);
  runtime.stop();
  runtime.stop();
  runtime.join();
  runtime.join();
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(runtime.joined());
  EXPECT_EQ(runtime.at_stop([] {}), 0u);
  runtime.post([&] { ++ran; });
  EXPECT_EQ(ran, 1);
}

TEST(io_runtime, RunsEarlierWorkBeforeItEnds) {
  io_runtime runtime("x");
  int ran = 0;
  runtime.post([&] { ++ran; });
  runtime.start();
  runtime.stop();
  runtime.join();
  EXPECT_EQ(ran, 1);
}

TEST(io_runtime, EndsWithoutEverStarting) {
  io_runtime runtime("x");
  bool ran = false;
  runtime.at_stop([&] { ran = true; });
  runtime.stop();
  runtime.join();
  EXPECT_TRUE(ran);
}

} // namespace
} // namespace assay::io
