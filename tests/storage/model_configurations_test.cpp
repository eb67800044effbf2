#include "storage/model_configurations.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

namespace assay::storage {
namespace {

using namespace testing;
using configurations::change_author;
using configurations::stored_configuration;

const change_author ada{user_id{"ada"}, wall_time{seconds{1'704'110'400}}};

std::optional<std::string> text_of(const std::optional<present_configuration>& present) {
  return present ? std::optional{present->text} : std::nullopt;
}

class model_configurations : public ::testing::Test {
protected:
  ticket_report write(const stored_configuration& next, const std::optional<std::string>& present) {
    write_batch batch;
    put_configuration(batch, next, present);
    return farm.write(std::move(batch));
  }

  std::optional<present_configuration> present(const std::string& id) {
    auto view = farm.look();
    return find_configuration(view, id).value();
  }

  /// Stores one more version.
  void put(const std::string& id, const std::string& fields) {
    const auto before = present(id);
    const auto value = before ? std::optional{before->value} : std::nullopt;
    ASSERT_FALSE(write(next_version(value, id, fields, ada).value(), text_of(before)).error);
  }

  const temp_folder temp;
  test_farm farm{temp.data()};
};

TEST_F(model_configurations, AreFoundListedAndRemembered) {
  EXPECT_FALSE(present("b"));
  put("b", R"({"temperature":0.1})");
  put("a", R"({"temperature":0.2})");
  put("b", R"({"temperature":0.3})");
  EXPECT_EQ(present("b")->value.version, 2U);
  auto view = farm.look();
  const auto all = list_configurations(view).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].id, "a");
  EXPECT_EQ(all[1].configuration, R"({"temperature":0.3})");
  EXPECT_EQ(find_configuration_version(view, "b", 1).value()->configuration, R"({"temperature":0.1})");
  EXPECT_FALSE(find_configuration_version(view, "b", 3).value());
}

TEST_F(model_configurations, HistoryGoesByPagesNewestFirst) {
  for (int i = 1; i <= 5; ++i)
    put("a", "{\"max_tokens\":" + std::to_string(i) + "}");
  auto view = farm.look();
  const auto newest = configuration_history(view, "a", 6, 2).value();
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0].version, 5U);
  EXPECT_EQ(newest[1].version, 4U);
  const auto rest = configuration_history(view, "a", 4, 10).value();
  ASSERT_EQ(rest.size(), 3U);
  EXPECT_EQ(rest.back().version, 1U);
}

TEST_F(model_configurations, OfTwoChangesOnlyOneIsWritten) {
  put("a", R"({"temperature":0.1})");
  const auto seen = present("a");
  const auto mine = next_version(seen->value, "a", R"({"temperature":0.2})", ada).value();
  const auto theirs = next_version(seen->value, "a", R"({"temperature":0.3})", ada).value();
  EXPECT_FALSE(write(mine, seen->text).error);
  const auto refused = write(theirs, seen->text);
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code, errc::conflict);
  EXPECT_EQ(present("a")->value, mine);
  EXPECT_EQ(write(theirs, std::nullopt).error->code, errc::conflict) << "there is one already";
}

TEST_F(model_configurations, ADeletedOneIsListedNoMore) {
  put("a", R"({"temperature":0.1})");
  const auto seen = present("a");
  ASSERT_FALSE(write(deleted_version(seen->value, ada), seen->text).error);
  EXPECT_TRUE(present("a")->value.deleted);
  auto view = farm.look();
  EXPECT_TRUE(list_configurations(view).value().empty());
  EXPECT_EQ(configuration_history(view, "a", 3, 10).value().size(), 2U);
}

TEST_F(model_configurations, ADamagedOneIsAnError) {
  write_batch batch;
  batch.put_document(table::models, configurations::head_key("a"), "no JSON");
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  EXPECT_EQ(find_configuration(view, "a").error().code, errc::store_unreadable);
  EXPECT_EQ(list_configurations(view).error().code, errc::store_unreadable);
}

} // namespace
} // namespace assay::storage
