#include "core/configurations/stored_configuration.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace assay::configurations {
namespace {

using nlohmann::json;

constexpr wall_time noon{seconds{1'704'110'400}};

change_author by(const char* who, int minute) { return {user_id{who}, noon + std::chrono::minutes{minute}}; }

stored_configuration first() {
  return next_version(std::nullopt, "haiku", R"({"temperature":0.7,"max_tokens":2048})", by("ada", 0))
      .value();
}

TEST(stored_configuration, BeginsWithVersionOneAndNamesItsAuthor) {
  const auto made = first();
  EXPECT_EQ(made.version, 1U);
  EXPECT_EQ(made.created_by, user_id{"ada"});
  EXPECT_EQ(made.changed_at, noon);
  EXPECT_EQ(version_json(made)["action"], "created");
  EXPECT_EQ(version_json(made)["changes"], json::parse(R"([{"field":"max_tokens","before":null,"after":2048},
                            {"field":"temperature","before":null,"after":0.7}])"));
}

TEST(stored_configuration, AChangeIsToldFieldByField) {
  const auto before = first();
  const auto after =
      next_version(before, "haiku", R"({"temperature":0.2,"task_optimizations":{"bug_fix":{"top_p":0.8}}})",
                   by("bob", 5))
          .value();
  EXPECT_EQ(after.version, 2U);
  EXPECT_EQ(after.created_by, user_id{"ada"});
  EXPECT_EQ(after.changed_by, user_id{"bob"});
  EXPECT_EQ(version_json(after)["action"], "updated");
  EXPECT_EQ(version_json(after)["changes"], json::parse(R"([{"field":"max_tokens","before":2048,"after":null},
                            {"field":"temperature","before":0.7,"after":0.2},
                            {"field":"task_optimizations.bug_fix.top_p","before":null,"after":0.8}])"));
}

TEST(stored_configuration, AChangeInTheSameMillisecondIsNoCreation) {
  const auto after = next_version(first(), "haiku", R"({"temperature":0.1})", by("ada", 0)).value();
  EXPECT_EQ(version_json(after)["action"], "updated");
}

TEST(stored_configuration, WhatIsEqualMakesNoVersion) {
  EXPECT_FALSE(next_version(first(), "haiku", R"({"max_tokens":2048, "temperature":0.7})", by("bob", 1)));
}

TEST(stored_configuration, VersionsGoOnOverADeletion) {
  const auto gone = deleted_version(first(), by("bob", 1));
  EXPECT_TRUE(gone.deleted);
  EXPECT_EQ(gone.version, 2U);
  EXPECT_EQ(version_json(gone)["action"], "deleted");
  EXPECT_EQ(version_json(gone)["configuration"], nullptr);
  const auto again =
      next_version(gone, "haiku", R"({"temperature":0.7,"max_tokens":2048})", by("cleo", 2)).value();
  EXPECT_EQ(again.version, 3U);
  EXPECT_FALSE(again.deleted);
  EXPECT_EQ(again.created_by, user_id{"cleo"});
  EXPECT_EQ(version_json(again)["action"], "created");
}

TEST(stored_configuration, ComesBackFromItsText) {
  auto value = first();
  value.id = "gpt-3.5-turbo";
  EXPECT_EQ(from_text(to_text(value)).value(), value);
  for (const auto* broken : {"", "{}", "[1]", R"({"id":7})"}) {
    const auto read = from_text(broken);
    ASSERT_FALSE(read) << broken;
    EXPECT_EQ(read.error().code, errc::store_unreadable);
  }
}

TEST(stored_configuration, RowsHoldWhatTheChangeMustFind) {
  const auto rows = rows_of(first(), std::nullopt);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_FALSE(rows[0].replaces);
  const auto more = rows_of(deleted_version(first(), by("bob", 1)), "the text before");
  EXPECT_EQ(more[0].key, rows[0].key);
  EXPECT_EQ(more[0].replaces, "the text before");
  EXPECT_NE(more[1].key, rows[1].key);
  EXPECT_FALSE(more[1].replaces) << "a version is written once";
}

TEST(stored_configuration, KeysOfVersionsAreInOrder) {
  EXPECT_LT(version_key("a", 9), version_key("a", 10));
  EXPECT_TRUE(head_key("a").starts_with(head_prefix()));
  EXPECT_FALSE(version_key("a", 1).starts_with(head_prefix()));
}

TEST(stored_configuration, AStaleMatchNamesBothVersions) {
  const auto present = next_version(first(), "haiku", R"({"temperature":0.1})", by("bob", 1));
  for (const auto* good : {"", "*", "2", "\"2\"", "W/\"2\""})
    EXPECT_TRUE(check_match(good, present)) << good;
  const auto stale = check_match("\"1\"", present);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, errc::conflict);
  EXPECT_EQ(stale.error().where, "If-Match");
  EXPECT_NE(stale.error().message.find("version 2"), std::string::npos);
  EXPECT_NE(stale.error().message.find("version 1"), std::string::npos);
  EXPECT_EQ(check_match("abc", present).error().code, errc::invalid_argument);
  EXPECT_EQ(check_match("\"\"", present).error().code, errc::invalid_argument);
  EXPECT_EQ(check_match("*", std::nullopt).error().code, errc::conflict);
  EXPECT_EQ(check_match("1", deleted_version(first(), by("bob", 1))).error().code, errc::conflict);
}

TEST(stored_configuration, NamesAreWhatPathsCanHold) {
  for (const auto* good : {"claude-3-haiku", "gpt-3.5-turbo", "a"})
    EXPECT_TRUE(check_name(good)) << good;
  for (const auto* bad : {"", "a/b", "a b", "export", "import", "qwen2.5:7b"}) {
    const auto checked = check_name(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().where, "model_id");
  }
}

} // namespace
} // namespace assay::configurations
