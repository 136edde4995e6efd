"""Which texts name a currency: the codes of ISO 4217 in use, and those that went out of use since 2010.

Left out on purpose are the codes that name no money of a country: `XXX` (no currency), `XTS` (for tests), metals, and
units of account of banks. What is not here counts as unknown: an amount in it is in no sum of money.
"""

from __future__ import annotations

_IN_USE = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS
INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG
SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VED VES VND VUV
WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
_OUT_OF_USE = "BYR CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL"

CURRENCIES = tuple(sorted({*_IN_USE.split(), *_OUT_OF_USE.split()}))
"""As a view's statement is given them."""
