#include "core/values/markup.hpp"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(markup, HasReferencesForWhatMarkupMeans) {
  EXPECT_EQ(escape_markup("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape_markup("北京"), "北京");
}

TEST(markup, ReplacesWhatXmlForbids) {
  EXPECT_EQ(escape_markup(std::string_view("\x01\n\t\r", 4)), "\xEF\xBF\xBD\n\t&#13;");
  EXPECT_EQ(escape_markup("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(escape_markup("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
}

TEST(markup, KeepsLineEndsAndTabsInAttributes) { EXPECT_EQ(escape_attribute("a\n\tb<"), "a&#10;&#9;b&lt;"); }

} // namespace
} // namespace assay
