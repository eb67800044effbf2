#include "core/values/event.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace assay {
namespace {

using namespace std::chrono_literals;

TEST(event_frame, IsTheDocumentedEnvelope) {
  const event value{run_id{1U, 1U}, 7, event_type::evaluation_progress, wall_time{1704110400250ms},
                    shared_text{R"({"progress":0.5,"note":"a \"quote\""})"}};
  const auto frame = nlohmann::json::parse(to_frame(value).view());
  EXPECT_EQ(frame.size(), 4U);
  EXPECT_EQ(frame["type"], "evaluation_progress");
  EXPECT_EQ(frame["data"]["progress"], 0.5);
  EXPECT_EQ(frame["seq"], 7);
  EXPECT_EQ(frame["timestamp"], "2024-01-01T12:00:00.250Z");
}

TEST(event_frame, HasAnObjectEvenWithoutData) {
  EXPECT_TRUE(nlohmann::json::parse(to_frame(event{}).view())["data"].is_object());
}

TEST(event_type, HasDistinctNames) {
  std::set<std::string_view> names;
  for (int number = 1; number <= 11; ++number)
    names.insert(to_string(static_cast<event_type>(number)));
  EXPECT_EQ(names.size(), 11U);
  EXPECT_FALSE(names.contains("unknown"));
}

} // namespace
} // namespace assay
