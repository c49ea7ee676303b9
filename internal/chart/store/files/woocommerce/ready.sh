#!/bin/sh
# Asks for the login page. 200: installed, and the database answers. 302: not installed yet. 500: no database. An httpGet
# probe could not tell, because the kubelet takes every redirect for success.
host=${SHOP_URL#https://}
code=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 4 \
	--header "Host: ${host:-localhost}" --header 'X-Forwarded-Proto: https' http://127.0.0.1:8080/wp-login.php)
if [ "$code" != 200 ]; then
	echo "wp-login.php answered $code (302: the shop is not installed yet, 500: no database)"
	exit 1
fi
