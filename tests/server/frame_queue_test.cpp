#include "server/websocket/frame_queue.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>

using namespace assay;
using namespace assay::server;

namespace {

const run_id run{1700000000, 1};
const run_id other{1700000000, 2};

frame live(uint64_t seq, event_type type = event_type::evaluation_started, run_id of = run) {
  return {of, seq, type, shared_text{"live " + std::to_string(seq)}};
}

frame progress(uint64_t seq, const std::string& text, run_id of = run) {
  return {of, seq, event_type::evaluation_progress, shared_text{text}};
}

std::vector<std::string> drained(frame_queue& queue) {
  std::vector<std::string> out;
  while (const auto next = queue.front()) {
    out.push_back(next->str());
    queue.pop();
  }
  return out;
}

using texts = std::vector<std::string>;

} // namespace

TEST(frame_queue, IgnoresRunsThatAreNotFollowed) {
  frame_queue queue{1000, [] { FAIL() << "nobody is interested"; }};
  queue.push_live({live(1)});
  EXPECT_FALSE(queue.front());
}

TEST(frame_queue, GoesFromThePastToThePresentWithoutGapOrDuplicate) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  queue.push_live({live(3)});
  EXPECT_FALSE(queue.front()) << "what comes while the past is read is read from the store too";
  queue.push(shared_text{"stored 1"});
  queue.push(shared_text{"stored 2"});
  EXPECT_FALSE(queue.advance(run, 2)) << "3 is known already";
  queue.push(shared_text{"stored 3"});
  EXPECT_TRUE(queue.advance(run, 3));
  queue.push_live({live(2), live(3), live(4)});
  EXPECT_EQ(drained(queue), (texts{"stored 1", "stored 2", "stored 3", "live 4"}));
}

TEST(frame_queue, KeepsOnlyTheNewestProgressOfEachRun) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  queue.follow(other, 0, false);
  ASSERT_TRUE(queue.advance(run, 0));
  ASSERT_TRUE(queue.advance(other, 0));
  queue.push(shared_text{"being written"});
  queue.push_live(
      {progress(1, "a1"), progress(1, "b1", other), progress(2, "a2"), live(3), progress(4, "a3")});
  EXPECT_EQ(drained(queue), (texts{"being written", "b1", "live 3", "a3"}));
}

TEST(frame_queue, NeverReplacesTheFrameThatIsBeingWritten) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  ASSERT_TRUE(queue.advance(run, 0));
  queue.push_live({progress(1, "first")});
  EXPECT_EQ(queue.front()->str(), "first");
  queue.push_live({progress(2, "second")});
  EXPECT_EQ(drained(queue), (texts{"first", "second"}));
}

TEST(frame_queue, TellsTheNewestProgressHeardWhileCatchingUp) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  queue.push_live({progress(2, "old"), progress(2, "new")});
  EXPECT_FALSE(queue.advance(run, 1));
  EXPECT_TRUE(queue.advance(run, 2));
  EXPECT_EQ(drained(queue), (texts{"new"}));
}

TEST(frame_queue, TellsNoProgressAfterTheEnd) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  queue.push_live({progress(1, "older"), live(2, event_type::evaluation_completed)});
  EXPECT_TRUE(queue.advance(run, 2));
  EXPECT_FALSE(queue.front()) << "the end was heard";
  queue.follow(run, 0, false);
  queue.push_live({progress(1, "older")});
  queue.drop_progress(run);
  EXPECT_TRUE(queue.advance(run, 2));
  EXPECT_FALSE(queue.front()) << "the end was read";
}

TEST(frame_queue, ReadsSamplesFromTheStoreWhoeverAnnouncesThem) {
  int woken = 0;
  frame_queue queue{1000, [&] { ++woken; }};
  queue.follow(run, 0, true);
  ASSERT_TRUE(queue.advance(run, 0));
  queue.begin_turn();
  queue.push_live({progress(5, "p")});
  EXPECT_EQ(queue.take_behind(), std::vector<run_id>{run});
  EXPECT_TRUE(queue.advance(run, 5));
  queue.push_live({live(6, event_type::sample_completed)});
  EXPECT_EQ(queue.take_behind(), std::vector<run_id>{run});
  EXPECT_EQ(drained(queue), (texts{"p"}));
}

TEST(frame_queue, PassesSamplesOverForWhoDidNotAsk) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  ASSERT_TRUE(queue.advance(run, 0));
  queue.push_live({live(1, event_type::sample_completed), live(2)});
  EXPECT_EQ(drained(queue), (texts{"live 2"}));
}

TEST(frame_queue, OverflowsAtItsLimitAndTakesNoMore) {
  frame_queue queue{100, [] {}};
  queue.follow(run, 0, false);
  ASSERT_TRUE(queue.advance(run, 0));
  queue.push(shared_text{std::string(60, 'x')});
  EXPECT_FALSE(queue.overflowed());
  queue.push(shared_text{std::string(60, 'x')});
  EXPECT_TRUE(queue.overflowed());
  queue.push(shared_text{std::string(60, 'x')});
  EXPECT_EQ(queue.waiting_bytes(), 120u);
  queue.clear_waiting();
  EXPECT_EQ(queue.waiting_bytes(), 60u) << "the frame on the wire stays";
}

TEST(frame_queue, ProgressAloneNeverOverflows) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  ASSERT_TRUE(queue.advance(run, 0));
  for (uint64_t i = 0; i < 10'000; ++i)
    queue.push_live({progress(i, std::string(100, 'p'))});
  EXPECT_FALSE(queue.overflowed());
  EXPECT_LE(drained(queue).size(), 2u);
}

TEST(frame_queue, WakesOnceUntilTheNextTurn) {
  int woken = 0;
  frame_queue queue{1000, [&] { ++woken; }};
  queue.push(shared_text{"a"});
  queue.push(shared_text{"b"});
  EXPECT_EQ(woken, 1);
  queue.begin_turn();
  queue.push(shared_text{"c"});
  EXPECT_EQ(woken, 2);
  queue.detach(); // allowed(detach): a queue, not a thread
  queue.begin_turn();
  queue.push(shared_text{"d"});
  queue.lose_source();
  EXPECT_EQ(woken, 2);
}

TEST(frame_queue, ReadsAgainWhatWasAnnouncedWhileTheSourceWasLost) {
  frame_queue queue{1000, [] {}};
  queue.follow(run, 0, false);
  ASSERT_TRUE(queue.advance(run, 3));
  queue.lose_source();
  EXPECT_TRUE(queue.take_source_loss());
  EXPECT_FALSE(queue.take_source_loss());
  queue.expect(run, 3);
  EXPECT_TRUE(queue.take_behind().empty());
  queue.expect(run, 5);
  EXPECT_EQ(queue.take_behind(), std::vector<run_id>{run});
  EXPECT_EQ(queue.sent(run), 3u);
}

TEST(frame_queue, LosesNothingBetweenThreads) {
  frame_queue queue{size_t{100} << 20, [] {}};
  queue.follow(run, 0, false);
  ASSERT_TRUE(queue.advance(run, 0));
  constexpr uint64_t count = 20'000;
  std::thread sender{[&] {
    for (uint64_t seq = 1; seq <= count; ++seq)
      queue.push_live({live(seq), progress(seq, "p")});
  }};
  uint64_t expected = 1;
  while (expected <= count) {
    const auto next = queue.front();
    if (!next)
      continue;
    if (next->view() != "p") {
      ASSERT_EQ(next->str(), "live " + std::to_string(expected));
      ++expected;
    }
    queue.pop();
  }
  sender.join();
}
