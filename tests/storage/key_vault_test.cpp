#include "storage/key_vault.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace assay::storage {
namespace {

using namespace testing;

/// Quick enough for a test under a sanitizer.
constexpr vault_cost cheap{1, 64};
const secret password{"correct horse"};

stored_key about(std::string name, std::string provider = "openai") {
  stored_key out;
  out.provider = provider_id(std::move(provider));
  out.name = std::move(name);
  out.origin = "https://api.openai.com";
  out.weight = 3;
  out.limits = {500, 60'000, 7, 20};
  out.prompt_types = {"cot", "baseline"};
  out.created_at = wall_time{milliseconds{1'700'000'000'123}};
  return out;
}

/// A store with a vault and the key "lab" in it.
class vaults : public ::testing::Test {
protected:
  vaults() {
    write_batch batch;
    auto vault = key_vault::create(password, cheap, batch);
    EXPECT_TRUE(vault);
    EXPECT_TRUE(vault->add(lab, secret("sk-secret-of-the-lab"), batch));
    EXPECT_FALSE(farm.write(std::move(batch)).error);
  }

  key_vault opened() { return std::move(key_vault::open(farm.data(), password).value()); }

  /// Changes one stored row.
  void tamper(const std::string& place, const std::function<void(std::string&)>& change) {
    auto bytes = farm.look().find_document(table::provider_keys, place).value()->bytes;
    change(bytes);
    write_batch batch;
    batch.put_document(table::provider_keys, place, bytes);
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }

  const temp_folder temp;
  test_farm farm{temp.data()};
  stored_key lab = about("lab");
};

TEST_F(vaults, GiveBackWhatWasStored) {
  const auto keys = opened().open_all(farm.data());
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 1U);
  EXPECT_EQ(keys->front().value.reveal(), "sk-secret-of-the-lab");
  EXPECT_EQ(keys->front().about, lab);
  EXPECT_EQ(lab.fingerprint.size(), 16U);
}

TEST_F(vaults, KeepKeysOfEveryLength) {
  for (const size_t size : {1U, 62U, 63U, 64U, 65U, 127U, 128U, 5000U}) {
    write_batch batch;
    auto one = about("of-" + std::to_string(size));
    ASSERT_TRUE(opened().add(one, secret(std::string(size, 'x')), batch));
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  const auto keys = opened().open_all(farm.data());
  ASSERT_TRUE(keys) << to_string(keys.error());
  for (const auto& key : *keys)
    if (key.about.name != "lab") {
      EXPECT_EQ(key.value.reveal().size(), std::stoul(key.about.name.substr(3)));
    }
}

TEST_F(vaults, ListWithoutAPassword) {
  const auto keys = list_keys(farm.data());
  ASSERT_TRUE(keys);
  EXPECT_EQ(*keys, std::vector<stored_key>{lab});
  EXPECT_TRUE(has_vault(farm.data()).value());
}

TEST_F(vaults, SayThatAPasswordIsWrong) {
  for (const auto* wrong : {"", "correct horsf", "correct horse ", "Correct horse"}) {
    const auto vault = key_vault::open(farm.data(), secret(wrong));
    ASSERT_FALSE(vault) << wrong;
    EXPECT_EQ(vault.error().code, errc::unauthenticated);
    EXPECT_EQ(vault.error().message, "the master password is wrong");
  }
}

TEST_F(vaults, AreNotMadeTwice) {
  write_batch batch;
  ASSERT_TRUE(key_vault::create(secret("another password"), cheap, batch));
  EXPECT_EQ(farm.write(std::move(batch)).error->code, errc::conflict);
  EXPECT_EQ(opened().open_all(farm.data())->size(), 1U);
}

TEST_F(vaults, KeepOneKeyOfAName) {
  write_batch batch;
  auto again = about("lab");
  ASSERT_TRUE(opened().add(again, secret("other"), batch));
  EXPECT_EQ(farm.write(std::move(batch)).error->code, errc::conflict);
  write_batch elsewhere;
  auto same_name = about("lab", "deepseek");
  ASSERT_TRUE(opened().add(same_name, secret("other"), elsewhere));
  EXPECT_FALSE(farm.write(std::move(elsewhere)).error);
}

TEST_F(vaults, ForgetRemovedKeys) {
  write_batch batch;
  remove_key(provider_id("openai"), "lab", batch);
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_TRUE(list_keys(farm.data())->empty());
  EXPECT_TRUE(opened().open_all(farm.data())->empty()) << "the password stays";
}

TEST_F(vaults, HoldNoKeyInTheClear) {
  farm.out().stop();
  std::ifstream file(temp.data() / "data.mdb", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_NE(bytes.find("api.openai.com"), std::string::npos) << "the file was read";
  EXPECT_EQ(bytes.find("sk-secret"), std::string::npos);
  EXPECT_EQ(bytes.find("correct horse"), std::string::npos);
}

TEST_F(vaults, NoticeAKeyThatWasBoundToAnotherHost) {
  tamper("key/openai/lab", [](std::string& bytes) {
    const std::string_view host = "api.openai.com";
    bytes.replace(bytes.find(host), host.size(), "api.openai.con");
  });
  EXPECT_EQ(list_keys(farm.data())->front().origin, "https://api.openai.con");
  const auto keys = opened().open_all(farm.data());
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, errc::store_unreadable);
  EXPECT_NE(keys.error().message.find("lab"), std::string::npos);
}

TEST_F(vaults, NoticeAKeyThatWasMovedToAnotherName) {
  write_batch batch;
  auto other = about("lob");
  ASSERT_TRUE(opened().add(other, secret("sk-secret-of-the-lob"), batch));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  const auto lab_bytes = farm.look().find_document(table::provider_keys, "key/openai/lab").value()->bytes;
  tamper("key/openai/lob", [&](std::string& bytes) { bytes = lab_bytes; });
  EXPECT_EQ(list_keys(farm.data()).error().code, errc::store_unreadable);
}

TEST_F(vaults, SurviveEveryDamageToTheirRows) {
  for (const std::string place : {"vault", "key/openai/lab"}) {
    const auto whole = farm.look().find_document(table::provider_keys, place).value()->bytes;
    const auto refused = [&](const std::string& bytes) {
      tamper(place, [&](std::string& stored) { stored = bytes; });
      const auto vault = key_vault::open(farm.data(), password);
      return !vault || !vault->open_all(farm.data());
    };
    for (size_t size = 1; size < whole.size(); size += 3)
      EXPECT_TRUE(refused(whole.substr(0, size))) << place << " cut to " << size;
    for (size_t at = 0; at < whole.size(); ++at) {
      // The cost of the hash comes here; a larger one is right and slow.
      if (place == "vault" && at >= 2 && at < 4)
        continue;
      auto bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
      EXPECT_TRUE(refused(bytes)) << place << " changed at " << at;
    }
    EXPECT_TRUE(refused(whole + "x")) << place;
    tamper(place, [&](std::string& stored) { stored = whole; });
  }
  EXPECT_EQ(opened().open_all(farm.data())->size(), 1U);
}

TEST_F(vaults, NameALaterVersion) {
  tamper("key/openai/lab", [](std::string& bytes) { bytes[0] = 2; });
  EXPECT_EQ(list_keys(farm.data()).error().code, errc::store_incompatible);
  tamper("vault", [](std::string& bytes) { bytes[0] = 2; });
  EXPECT_EQ(key_vault::open(farm.data(), password).error().code, errc::store_incompatible);
}

TEST_F(vaults, RefuseAHashThatWouldTakeAllMemory) {
  tamper("vault", [](std::string& bytes) { bytes.replace(3, 1, "\xFF\xFF\xFF\xFF\x0F"); });
  EXPECT_EQ(key_vault::open(farm.data(), password).error().code, errc::store_unreadable);
}

TEST_F(vaults, RefuseWhatCannotBeAKey) {
  const auto vault = opened();
  write_batch batch;
  const auto refused = [&](auto change, std::string key = "k") {
    auto one = about("new");
    change(one);
    const auto added = vault.add(one, secret(std::move(key)), batch);
    return !added && added.error().code == errc::invalid_argument;
  };
  for (const auto* name : {"", "a/b", "a b", "\n", "ü"})
    EXPECT_TRUE(refused([&](stored_key& one) { one.name = name; })) << name;
  EXPECT_TRUE(refused([](stored_key& one) { one.name = std::string(65, 'n'); }));
  EXPECT_TRUE(refused([](stored_key& one) { one.provider.value.clear(); }));
  EXPECT_TRUE(refused([](stored_key& one) { one.origin.clear(); }));
  EXPECT_TRUE(refused([](stored_key& one) { one.weight = 0; }));
  for (const auto* key : {"", "two words", "line\nbreak"})
    EXPECT_TRUE(refused([](stored_key&) {}, key)) << key;
  EXPECT_TRUE(batch.documents.empty());
}

TEST(fresh_stores, HoldNoKeysAndNoVault) {
  const temp_folder temp;
  test_farm farm(temp.data());
  EXPECT_FALSE(has_vault(farm.data()).value());
  EXPECT_TRUE(list_keys(farm.data())->empty());
  EXPECT_EQ(key_vault::open(farm.data(), password).error().code, errc::not_found);
  write_batch batch;
  EXPECT_EQ(key_vault::create(secret("short"), cheap, batch).error().code, errc::invalid_argument);
  EXPECT_TRUE(batch.documents.empty());
}

} // namespace
} // namespace assay::storage
