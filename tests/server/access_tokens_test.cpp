#include "server/auth/access_tokens.hpp"

#include "server/auth/passwords.hpp"

#include <nlohmann/json.hpp>
#include <sodium.h>

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <random>

using namespace assay;
using namespace assay::server;
using nlohmann::json;

namespace {

const std::string key(32, 'k');
wall_time now{seconds{1'704'110'400}};

access_tokens tokens() {
  return access_tokens{secret{key}, seconds{3600}, [] { return now; }};
}

std::string base64(std::string_view bytes) {
  std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  out.pop_back();
  return out;
}

/// A token made by hand, signed with HMAC-SHA256 whatever its header says.
std::string forged(const json& header, const json& claims, const std::string& with = key) {
  const auto text = base64(header.dump()) + "." + base64(claims.dump());
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> signature{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(with.data()), with.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  crypto_auth_hmacsha256_final(&state, signature.data());
  return text + "." + base64({reinterpret_cast<const char*>(signature.data()), signature.size()});
}

json good_claims() {
  const auto at = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  return {{"iss", "assay"}, {"aud", "assay-api"}, {"sub", "ada"},    {"sid", "s1"},
          {"iat", at},      {"nbf", at},          {"exp", at + 3600}};
}

const json good_header{{"alg", "HS256"}, {"typ", "JWT"}};

json without(json from, const char* name) {
  from.erase(name);
  return from;
}

json with(json from, const char* name, json value) {
  from[name] = std::move(value);
  return from;
}

std::filesystem::path fresh_folder() {
  prepare_crypto();
  const auto folder = std::filesystem::temp_directory_path() / ("assay-keys-" + random_hex(8));
  std::filesystem::create_directory(folder);
  return folder;
}

} // namespace

TEST(access_tokens, SayWhoTheyBelongTo) {
  const auto issued = tokens().issue(user_id{"ada"}, "session-1");
  EXPECT_TRUE(issued.starts_with("eyJ"));
  const auto claims = tokens().verify(issued);
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->user.value, "ada");
  EXPECT_EQ(claims->session, "session-1");
  EXPECT_EQ(claims->expires_at - claims->issued_at, seconds{3600});
}

TEST(access_tokens, AcceptWhatOtherProgramsSignWithTheSameKey) {
  EXPECT_TRUE(tokens().verify(forged(good_header, good_claims())));
}

TEST(access_tokens, RefuseOtherAlgorithms) {
  EXPECT_FALSE(tokens().verify(forged(with(good_header, "alg", "none"), good_claims())));
  EXPECT_FALSE(tokens().verify(forged(with(good_header, "alg", "HS384"), good_claims())));
  EXPECT_FALSE(tokens().verify(forged(with(good_header, "alg", "RS256"), good_claims())));
  EXPECT_FALSE(tokens().verify(forged(with(good_header, "alg", 5), good_claims())));
  EXPECT_FALSE(tokens().verify(forged(without(good_header, "alg"), good_claims())));
  const auto unsigned_token =
      base64(R"({"alg":"none","typ":"JWT"})") + "." + base64(good_claims().dump()) + ".";
  EXPECT_FALSE(tokens().verify(unsigned_token));
}

TEST(access_tokens, RefuseOtherTypes) {
  EXPECT_FALSE(tokens().verify(forged(with(good_header, "typ", "JOSE"), good_claims())));
  EXPECT_FALSE(tokens().verify(forged(without(good_header, "typ"), good_claims())));
}

TEST(access_tokens, RefuseWrongKeysAndChangedBytes) {
  EXPECT_FALSE(tokens().verify(forged(good_header, good_claims(), std::string(32, 'x'))));
  auto token = forged(good_header, good_claims());
  EXPECT_FALSE(tokens().verify(token + "A"));
  EXPECT_FALSE(tokens().verify(token.substr(0, token.size() - 1)));
  EXPECT_FALSE(tokens().verify(token + "="));
  EXPECT_FALSE(tokens().verify(" " + token));
  for (size_t i = 0; i < token.size(); i += 3) {
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    // The last character of a part carries bits that mean nothing; sodium refuses those that are not zero.
    EXPECT_FALSE(tokens().verify(changed)) << i;
  }
}

TEST(access_tokens, CheckEveryClaim) {
  const auto at = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  const json wrong[] = {
      with(good_claims(), "aud", "another-api"),
      with(good_claims(), "iss", "another"),
      with(good_claims(), "exp", at),
      with(good_claims(), "nbf", at + 60),
      with(good_claims(), "iat", at + 60),
      with(good_claims(), "sub", ""),
      with(good_claims(), "sub", 5),
      with(good_claims(), "sid", ""),
      with(good_claims(), "exp", "soon"),
      with(good_claims(), "aud", json::array({"assay-api", "x"})),
  };
  for (const auto& claims : wrong)
    EXPECT_FALSE(tokens().verify(forged(good_header, claims))) << claims;
  for (const auto* name : {"iss", "aud", "sub", "sid", "iat", "nbf", "exp"})
    EXPECT_FALSE(tokens().verify(forged(good_header, without(good_claims(), name)))) << name;
}

TEST(access_tokens, EndByTheInjectedClock) {
  const auto start = now;
  const auto token = tokens().issue(user_id{"ada"}, "s");
  now = start + seconds{3599};
  EXPECT_TRUE(tokens().verify(token));
  now = start + seconds{3600};
  EXPECT_FALSE(tokens().verify(token));
  now = start - seconds{3};
  EXPECT_TRUE(tokens().verify(token)) << "a clock that stepped back a little";
  now = start - seconds{60};
  EXPECT_FALSE(tokens().verify(token));
  now = start;
}

TEST(access_tokens, SurviveHostileTexts) {
  std::mt19937 random{3};
  const auto token = forged(good_header, good_claims());
  for (int round = 0; round < 3000; ++round) {
    auto text = token;
    for (auto count = 1 + random() % 4; count > 0; --count)
      text[random() % text.size()] = "..AAeyJ=+/\xff "[random() % 12];
    if (text != token) {
      EXPECT_FALSE(tokens().verify(text));
    }
  }
  EXPECT_FALSE(tokens().verify(""));
  EXPECT_FALSE(tokens().verify("..."));
  EXPECT_FALSE(tokens().verify(std::string(100'000, 'a')));
}

TEST(signing_keys, AreMadeOnceAndReadAgain) {
  const auto folder = fresh_folder();
  const auto file = folder / "signing.key";
  const auto first = load_or_create_key(file);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->reveal().size(), 32u);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto second = load_or_create_key(file);
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
  std::filesystem::remove_all(folder);
}

TEST(signing_keys, AreRefusedWhenOthersCouldReadThem) {
  const auto folder = fresh_folder();
  const auto file = folder / "signing.key";
  ASSERT_TRUE(load_or_create_key(file));
  ::chmod(file.c_str(), 0640);
  EXPECT_EQ(load_or_create_key(file).error().code, errc::store_unreadable);
  ::chmod(file.c_str(), 0600);
  std::ofstream{file, std::ios::trunc} << "short";
  EXPECT_EQ(load_or_create_key(file).error().code, errc::store_unreadable);
  EXPECT_EQ(load_or_create_key(folder / "missing" / "key").error().code, errc::store_unreadable);
  std::filesystem::remove_all(folder);
}

TEST(passwords, AreHashedWithArgon2id) {
  const password_cost cheap{1, 8192};
  const auto encoded = hash_password(secret{"correct horse"}, cheap);
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(encoded->starts_with("$argon2id$"));
  EXPECT_TRUE(verify_password(*encoded, secret{"correct horse"}));
  EXPECT_FALSE(verify_password(*encoded, secret{"correct horsE"}));
  EXPECT_FALSE(verify_password("not a hash", secret{"x"}));
  EXPECT_FALSE(verify_password(std::string(1000, '$'), secret{"x"}));
  EXPECT_NE(*encoded, *hash_password(secret{"correct horse"}, cheap)) << "each has its own salt";
}

TEST(passwords, CostWhatIsRecommendedUnlessToldOtherwise) {
  EXPECT_GE(password_cost{}.memory_bytes, size_t{19} << 20);
  EXPECT_GE(password_cost{}.passes, 2u);
}
