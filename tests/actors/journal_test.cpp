#include "actors/monitoring/event_hub.hpp"
#include "actors/supervision/journal.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"
#include "tests/support/listener.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::fake_store;
using namespace std::chrono_literals;
using test::listener;
using test::listener_state;
using ::testing::ElementsAre;

const run_id journaled_run{1'700'000'000U, 7U};

struct owner_state {
  std::vector<committed> news;
};

commit_sink_actor::behavior_type owner(commit_sink_actor::stateful_pointer<owner_state> self) {
  return {[self](const committed& news) { self->state.news.push_back(news); }};
}

class journal_test : public test::actor_test {
protected:
  std::shared_ptr<fake_store> store = std::make_shared<fake_store>();
  event_hub_actor hub = spawn(event_hub, event_hub_config{});
  commit_sink_actor sink = spawn(owner);
  event_sink_actor ear = spawn(listener);
  journal_actor the_journal = spawn(journal, journal_config{store, hub, 4, 5ms});

  void SetUp() override { run(); }

  void append_rows(uint64_t watermark, std::vector<event> events = {}) {
    append_batch rows;
    rows.watermark = watermark;
    rows.events = std::move(events);
    tell(the_journal, append{std::move(rows), sink});
  }

  std::vector<uint64_t> watermarks() {
    std::vector<uint64_t> out;
    for (const auto& news : state_of<owner_state>(sink).news)
      out.push_back(news.watermark);
    return out;
  }
};

TEST_F(journal_test, AnswersOneWatermarkForEverythingThatACommitCovers) {
  store->hold = true;
  append_rows(1);
  append_rows(2);
  append_rows(3);
  EXPECT_TRUE(watermarks().empty());
  store->commit();
  run();
  EXPECT_THAT(watermarks(), ElementsAre(3));
}

TEST_F(journal_test, PublishesEventsOnlyAfterTheirCommit) {
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ear}).has_value());
  store->hold = true;
  append_rows(1, {event{journaled_run, 0, event_type::evaluation_started, {}, shared_text{"{}"}}});
  EXPECT_TRUE(state_of<listener_state>(ear).frames.empty());
  store->commit();
  run();
  ASSERT_EQ(state_of<listener_state>(ear).frames.size(), 1u);
  EXPECT_EQ(state_of<listener_state>(ear).frames.front().seq, 1u);
}

TEST_F(journal_test, KeepsOrderWhileTheWritersLineIsFull) {
  store->busy = true;
  append_rows(1);
  append_rows(2);
  store->busy = false;
  append_rows(3);
  EXPECT_TRUE(watermarks().empty()) << "a newcomer waits behind those that wait";
  advance(20ms);
  EXPECT_THAT(watermarks(), ElementsAre(1, 2, 3));
}

TEST_F(journal_test, TriesAFullLineUntilThereIsRoom) {
  store->busy = true;
  append_rows(1);
  advance(100ms, 5ms);
  EXPECT_TRUE(watermarks().empty());
  store->busy = false;
  advance(10ms, 5ms);
  EXPECT_THAT(watermarks(), ElementsAre(1));
}

TEST_F(journal_test, DoesNotTakeWhatItsPredecessorWroteForItsOwn) {
  store->hold = true;
  append_rows(1);
  kill(the_journal);
  the_journal = spawn(journal, journal_config{store, hub, 4, 5ms});
  append_rows(7);
  store->commit_one();
  run();
  EXPECT_TRUE(watermarks().empty()) << "only the predecessor's batch is durable";
  store->commit_one();
  run();
  EXPECT_THAT(watermarks(), ElementsAre(7));
}

TEST_F(journal_test, RefusesWhenTooMuchWaits) {
  store->busy = true;
  for (uint64_t i = 1; i <= 5; ++i)
    append_rows(i);
  const auto& news = state_of<owner_state>(sink).news;
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news.front().error->code, errc::busy);
}

TEST_F(journal_test, AFailedStoreIsToldToEveryLaterAppend) {
  store->broken = fault{errc::store_failed, "flush failed", {}, {}};
  append_rows(1);
  store->broken.reset();
  append_rows(2);
  const auto& news = state_of<owner_state>(sink).news;
  ASSERT_EQ(news.size(), 2u);
  EXPECT_EQ(news[0].error->code, errc::store_failed);
  EXPECT_EQ(news[1].error->code, errc::store_failed) << "a failed flush is never blindly retried";
}

TEST_F(journal_test, ABatchThatTheStoreCannotTakeIsRefusedAlone) {
  store->broken = fault{errc::too_large, "an answer is too large", {}, {}};
  append_rows(1);
  store->broken.reset();
  append_rows(2);
  const auto& news = state_of<owner_state>(sink).news;
  ASSERT_EQ(news.size(), 2u);
  EXPECT_EQ(news[0].error->code, errc::too_large);
  EXPECT_FALSE(news[1].error.has_value());
}

TEST_F(journal_test, ARemovalThatTheStoreRefusesLeavesItWritable) {
  append_batch start;
  start.watermark = 1;
  start.runs.emplace_back();
  start.runs.back().spec.id = journaled_run;
  tell(the_journal, append{start, sink});
  append_batch removal;
  removal.watermark = 2;
  removal.erased_runs = {journaled_run, run_id{1U, 1U}};
  tell(the_journal, append{removal, sink});
  append_rows(3);
  const auto& news = state_of<owner_state>(sink).news;
  ASSERT_EQ(news.size(), 3u);
  EXPECT_TRUE(news[1].error.has_value());
  EXPECT_FALSE(news[2].error.has_value());
}

TEST_F(journal_test, AnsweringARequestWaitsForTheCommit) {
  store->hold = true;
  auto pending = self->request(the_journal, caf::infinite, append_and_wait{});
  run();
  EXPECT_TRUE(self->mailbox().empty());
  store->commit();
  run();
  bool answered = false;
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([&](const committed&) { answered = true; }, [](const caf::error&) {});
  EXPECT_TRUE(answered);
}

// -- the hub -----------------------------------------------------------------------------------------------

TEST_F(journal_test, ProgressIsConflatedToTwiceASecond) {
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ear}).has_value());
  run_record record;
  record.spec.id = journaled_run;
  for (int i = 0; i < 100; ++i) {
    record.progress.done = static_cast<uint64_t>(i);
    tell(hub, publish_progress{record});
    advance(20ms, 20ms);
  }
  const auto& frames = state_of<listener_state>(ear).frames;
  EXPECT_GE(frames.size(), 3u);
  EXPECT_LE(frames.size(), 4u) << "two seconds, two a second";
  EXPECT_NE(frames.back().text.view().find("evaluation_progress"), std::string_view::npos);
}

TEST_F(journal_test, ProgressOfManyListenersIsSpreadOverTheInterval) {
  std::vector<event_sink_actor> ears;
  for (int i = 0; i < 100; ++i) {
    ears.push_back(spawn(listener));
    ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ears.back()}).has_value());
  }
  const auto heard = [&] {
    return std::ranges::count_if(
        ears, [&](const auto& one) { return !state_of<listener_state>(one).frames.empty(); });
  };
  run_record record;
  record.spec.id = journaled_run;
  tell(hub, publish_progress{record});
  advance(25ms, 25ms);
  EXPECT_EQ(heard(), 5) << "a twentieth of them in a twentieth of the interval";
  advance(500ms, 25ms);
  EXPECT_EQ(heard(), 100);
  for (const auto& one : ears)
    EXPECT_EQ(state_of<listener_state>(one).frames.size(), 1u);
}

TEST_F(journal_test, ANewcomerHearsTheNewestProgressAtOnce) {
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ear}).has_value());
  run_record record;
  record.spec.id = journaled_run;
  tell(hub, publish_progress{record});
  advance(100ms, 25ms);
  const auto late = spawn(listener);
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, late}).has_value());
  advance(25ms, 25ms);
  EXPECT_EQ(state_of<listener_state>(late).frames.size(), 1u);
  EXPECT_EQ(state_of<listener_state>(ear).frames.size(), 1u) << "and nobody hears it twice";
}

TEST_F(journal_test, ADeadListenerIsForgotten) {
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ear}).has_value());
  EXPECT_EQ(state_of<event_hub_state>(hub).subscribers, 1u);
  kill(ear);
  EXPECT_EQ(state_of<event_hub_state>(hub).subscribers, 0u);
  EXPECT_TRUE(state_of<event_hub_state>(hub).channels.empty());
}

TEST_F(journal_test, AListenerThatComesAndGoesIsMournedOnce) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ear}).has_value());
    tell(hub, unsubscribe{journaled_run, ear});
  }
  EXPECT_EQ(state_of<event_hub_state>(hub).subscribers, 0u);
  caf::anon_send_exit(ear, caf::exit_reason::kill);
  EXPECT_LE(run(), 4u) << "its exit, and one message to the hub";
  EXPECT_TRUE(state_of<event_hub_state>(hub).watched.empty());
}

TEST_F(journal_test, AFrameIsSerialisedOnceForAllListeners) {
  const auto second = spawn(listener);
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, ear}).has_value());
  ASSERT_TRUE(ask<subscribed>(hub, subscribe{journaled_run, second}).has_value());
  append_rows(1, {event{journaled_run, 0, event_type::evaluation_started, {}, shared_text{"{}"}}});
  const auto& a = state_of<listener_state>(ear).frames.at(0).text;
  const auto& b = state_of<listener_state>(second).frames.at(0).text;
  EXPECT_EQ(a.view().data(), b.view().data());
}

} // namespace
} // namespace assay
