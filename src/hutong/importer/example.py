"""A commented mapping file, for ``hutong import sales --example``: every key that there is, in use or explained."""

EXAMPLE = """\
# How to read one retailer's export of sales. Write the column names exactly as they stand in the file.
# Try it without sending anything:  hutong import sales FILE --mapping THIS.toml --dry-run

source = "my-erp"            # part of every sale's id: choose it once and keep it, or sales would be imported twice
currency = "CNY"             # of all amounts; the network counts in its hundredths
zone = "Asia/Shanghai"       # where the stores are: business dates are days of this zone

[file]
format = "csv"               # csv, parquet or xlsx; left out, the file's name tells
encoding = "gb18030"         # csv: utf-8 (default), gb18030, windows-1252 ...
delimiter = ","              # csv: one character; "\\t" for tabs
quote = '"'                  # csv
header_line = 1              # the line that holds the column names
# sheet = "销售明细"          # xlsx: the first sheet if left out
decimal = "."                # or ","
thousands = ","              # a mark between thousands that is dropped; "" for none

# A text comes from a column, or is the same for every row:   { column = "NAME" }   { value = "TEXT" }
# It may be translated:      { column = "PAY", map = { "支付宝" = "alipay", "现金" = "cash" }, otherwise = "other" }
# put into capitals:         { column = "SKU", upper = true }
# and marked as your own:    { column = "SKU", prefix = "A-" }    (numbers that could pass for somebody's GTIN)

[sale]                       # what is the same for all rows of a receipt
store = { column = "门店", map = { "徐汇店" = "9529900000015" } }    # GLNs; or gln_prefix = "95299" where the column has numbers
till = { column = "收银台" }
receipt = { column = "小票号" }
time = { columns = ["日期", "时间"], format = "%Y-%m-%d %H:%M:%S" }   # or column = "..."; no format: ISO 8601; zone = "UTC" if not the stores'
cashier = { column = "收银员" }
tender = { column = "支付方式", map = { "支付宝" = "alipay", "微信" = "wechat", "现金" = "cash" }, otherwise = "other" }
group = ["store", "till", "receipt", "date"]    # rows that agree in these are one receipt

[line]                       # what a row says of the goods
code = { column = "条码" }
description = { column = "品名" }
quantity = { column = "数量" }
unit_price = { column = "单价" }          # before discounts; or instead of it
# amount = { column = "实收" }            # what was charged for the row, after discounts
discounts = [{ column = "折扣" }]         # each is taken off; empty cells are 0
# vouchers = [{ column = "抵用券" }]      # the part of the amount that was paid by voucher
vat_rate = { value = "13" }               # percent, included in the price
unit = { value = "EA" }                   # UN/ECE Recommendation 20: EA pieces, KGM kilograms
# member = { column = "会员号" }          # never imported; rules can ask whether there is one

[returns]                    # what comes back; it is recorded as a return without a receipt
column = "类型"              # a row is marked by one of these values in a column,
values = ["退货"]
# receipt_prefix = "C"       # or by how its receipt number begins; without a mark, the sign alone tells
figures = "positive"         # how marked rows are written: with "negative" or "positive" figures
unmarked = "return"          # what an unmarked negative row is: "return", or "set_aside"

[voids]                      # receipts that were broken off before they were paid
column = "状态"
values = ["作废"]

# Rules are tried from the top; the first of which all conditions hold decides. Conditions: codes, code_pattern, description_pattern,
# receipt_pattern (regular expressions for the whole text), quantity and amount ("negative", "zero", "positive"),
# member ("present", "absent"), whole_receipt = "zero" (nothing on the receipt has a value).
[[rules]]
codes = ["BAG-FEE"]
action = "import"            # as it is, under its own code

[[rules]]
code_pattern = "ADJ.*"
action = "set_aside"         # not imported; kept in the list with this reason
reason = "a stock adjustment, not a sale"

[[rules]]
codes = ["FUEL95"]
action = "import"
quantity_scale = "0.001"     # the file counts millilitres,
unit = "LTR"                 # the network litres

[setup]                      # for `hutong import setup`, which makes what the file needs
retailer = { code = "my-shops", name_en = "My Shops", name_zh = "我的商店" }
kind = "supermarket"
store_name = "{retailer} {store}"
store_code = "{store}"

[setup.products]             # where names come from; without file, from the sales file itself
# file = "products.csv"      # beside the sales file
# code = "条码"
name = ["品名"]
# brand = "供应商"           # becomes a brand with the code M123
# brand_prefix = "M"
# brand_name = "Manufacturer {brand}"
# categories = ["大类", "中类"]
"""
