#include "cli/datapresso_key.hpp"

#include <gtest/gtest.h>

#include <string>

namespace assay::cli {
namespace {

/// Made by Python's cryptography, as Datapresso makes them: {"openai": "sk-of-the-old-files"}.
constexpr std::string_view token =
    "gAAAAABlU_EAAAECAwQFBgcICQoLDA0ODz97JgImJQDfH6ZEsbMz8ilcHxbiidOXZqQ4O8pQALneV6YxbexsHhgbVXQ6lsWQfFMjgkG_"
    "n56C_tJjz9bOfeFAfBb9ZfOfjcJeCstXLweL";
/// The same with the text [1].
constexpr std::string_view no_object =
    "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD3hZtAiDPKD5i36sBThHR79Kj0P4h5inGRdKZlkq5_s3BSxzVtjio5HDpN8XwkthmA==";

std::string salt() {
  std::string out;
  for (char c = 16; c < 32; ++c)
    out += c;
  return out;
}

const secret password("old password");

TEST(datapresso_key, IsOpenedWithItsPassword) {
  const auto key = open_datapresso_key("openai", token, salt(), password);
  ASSERT_TRUE(key) << to_string(key.error());
  EXPECT_EQ(key->reveal(), "sk-of-the-old-files");
  const auto only = open_datapresso_key("", std::string(token) + "\n", salt(), password);
  ASSERT_TRUE(only) << to_string(only.error());
  EXPECT_EQ(only->reveal(), "sk-of-the-old-files");
}

TEST(datapresso_key, OfAnotherServiceIsNotTaken) {
  EXPECT_EQ(open_datapresso_key("anthropic", token, salt(), password).error().code, errc::not_found);
}

TEST(datapresso_key, StaysShutForAnotherPasswordSaltOrText) {
  EXPECT_EQ(open_datapresso_key("openai", token, salt(), secret("another")).error().code,
            errc::unauthenticated);
  EXPECT_EQ(open_datapresso_key("openai", token, "other salt", password).error().code, errc::unauthenticated);
  // 50 is in the encrypted text, after version, time and vector.
  std::string changed(token);
  changed[50] = changed[50] == 'A' ? 'B' : 'A';
  EXPECT_EQ(open_datapresso_key("openai", changed, salt(), password).error().code, errc::unauthenticated);
}

TEST(datapresso_key, IsNothingElse) {
  const std::string whole(token);
  for (const auto& bad :
       {std::string{}, std::string("no token!"), whole.substr(0, whole.size() - 8), whole.substr(0, 60),
        "AAAA" + whole, std::string(no_object), std::string(200'000, 'A')})
    EXPECT_EQ(open_datapresso_key("openai", bad, salt(), password).error().code, errc::malformed_input)
        << bad.substr(0, 40);
  EXPECT_EQ(open_datapresso_key("openai", token, "", password).error().code, errc::malformed_input);
}

} // namespace
} // namespace assay::cli
