@echo off
rem DNS over TLS by {host}, for Windows 11 24H2 and later. Run it as administrator.

netsh dns add global dot=yes
{commands}
ipconfig /flushdns

echo.
echo Windows knows {host} now. Have it asked:
echo   Settings, Network and internet, Wi-Fi or Ethernet, Hardware properties,
echo   DNS server assignment, Edit, Manual.
{fields}
echo   DNS over HTTPS: Off.
pause
